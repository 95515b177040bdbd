"""Reading: sessions, and what they give out: records, subjects and control states, from frames that are checked.

Promises: nothing is given out before the policy was asked and the access recorded, whether it was found or not.
"""
