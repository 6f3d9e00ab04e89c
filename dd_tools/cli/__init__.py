"""One thin module a command: parse, call the library, report. Only this folder prints."""
