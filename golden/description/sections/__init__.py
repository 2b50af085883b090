"""The sections of :class:`popflip.golden.description.params.Params`, one file each."""
