"""Training: the loop, the machines that it drives, checkpoints and logs.

``trainer`` trains a network on a ``machine``; ``loop`` is what it shares with the paper's systems.
``state`` is what a network has learned, ``checkpoint`` how it is kept, ``log`` what each epoch came
to, ``health`` whether the network learns at all, and ``calibration`` chooses gains with which it
can. ``standalone`` follows a board that trains from its flash; ``upsets`` flips bits of a network's
memories.
"""
