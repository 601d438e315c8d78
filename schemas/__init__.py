"""What is said: frozen records, the dated code table, the calendar, the errors. Knows no clock and no I/O."""
