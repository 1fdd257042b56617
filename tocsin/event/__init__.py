"""The schema and what an event is: ECS names, hot columns, records, the Arrow batch, values, time and identity.

Nothing here knows a product, a protocol or a store.
"""
