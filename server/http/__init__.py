"""HTTP: handlers parse, call one action, render. No SQL, no permission test, no bus in here."""
