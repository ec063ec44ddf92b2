"""The gate at the shop's doors, and the rights of the people whose data lie behind it.

``consent`` keeps what people chose and on which lawful basis each source may be used; ``gate`` answers from that at
every door (in, choosing people, out) and fails closed; ``privacy`` hides small cells; ``audit`` is the chained record
of what was done; ``requests`` exports and forgets a person over every holder of personal data. Nothing here reads facts
or makes features: other rooms ask, and this one says yes, no and why.
"""
