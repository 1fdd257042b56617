"""The HTTP API, the page and the server-sent events: routes by subject, answers in `models`."""
