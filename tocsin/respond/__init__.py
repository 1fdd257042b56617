"""What follows from an alert or incident; each public file is one action, with its settings (pydantic) and `act`."""
