"""One thin module per command: parse options, call the library, report. Only this folder prints."""
