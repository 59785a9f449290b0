"""Options that many commands take, declared once. What does not belong here: an option of one command."""
