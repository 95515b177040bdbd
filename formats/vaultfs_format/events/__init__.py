"""The audit events (SPEC section 16.2): one closed class a type, told apart by its number, bytes in, bytes out.

No event holds text, but for that which opens a session: who acts, and why. Whom it concerns is a surrogate.
"""
