"""Reads a calendar on standard input with `icalendar`; prints its events as JSON."""

import json
import sys

from icalendar import Calendar

calendar = Calendar.from_ical(sys.stdin.buffer.read())
events = [
    {
        "uid": str(event["UID"]),
        "day": event.decoded("DTSTART").isoformat(),
        "end": event.decoded("DTEND").isoformat(),
        "stamp": event.decoded("DTSTAMP").isoformat(),
        "summary": str(event["SUMMARY"]),
        "description": str(event["DESCRIPTION"]),
    }
    for event in calendar.walk("VEVENT")
]
print(json.dumps({"version": str(calendar["VERSION"]), "errors": calendar.errors, "events": events}))
