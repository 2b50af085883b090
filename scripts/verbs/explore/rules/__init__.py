"""Learning rules other than the machine's, in software: what each would be worth.

:mod:`.model` is the golden model with a rule that can be changed, :mod:`.study` trains them.
"""
