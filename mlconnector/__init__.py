"""mlconnector: see the design notes here (written last)."""

__version__ = "0.1.0"
