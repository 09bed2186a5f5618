"""mlconnector: see the design notes here (written last)."""
