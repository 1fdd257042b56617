"""What was acknowledged, in order, until it is stored and looked at: append-only lanes on disk (or Kafka's partitions).

A journal is opened by address (`file:///path`); it fulfils `ports.JournalWriter` in the collecting process and
`ports.JournalReader` in workers. Frame, file layout and the stretch log: `file`.
"""
