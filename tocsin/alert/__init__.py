"""Firings become alerts, alerts become incidents: documents, suppression, reason sentences, joining, risk, verdicts.

An alert document is flat (dotted names): its event's copy, or what its events share, and `kibana.alert.*`,
`tocsin.alert.*` (columns in
`event/alert.csv`). What people decide (status, assignee, tags, notes, verdict) is not in it: it lives in `state`.
"""
