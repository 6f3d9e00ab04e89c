"""Reports of scores: tables, JSON, CSV, Markdown, web pages and a contact sheet."""
