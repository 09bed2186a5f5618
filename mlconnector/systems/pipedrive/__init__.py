"""Pipedrive: so far its emulator only."""
