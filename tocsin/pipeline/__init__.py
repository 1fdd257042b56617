"""Wires the stages: the one place that knows them all. It injects, it does not work.

Processes: `core` (store, state stage, alerts, API), `collectors` (the ways in and the journal) and N `worker`s (lanes:
normalise, match). A worker leaves a stretch as one Arrow file in the spool; core stores it, feeds the state stage,
makes the alerts, and only then the worker moves the lane's cursor.
"""
