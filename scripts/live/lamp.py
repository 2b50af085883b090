"""What the lamp says: whether golden, which learns beside a network, has come to the same bits."""

from popflip.scripts.live.exhibit import Shown

__all__ = ["lamp"]


def lamp(exhibit: Shown) -> tuple[str, str]:
    """Return what a lamp shows.

    Parameters
    ----------
    exhibit : Shown

    Returns
    -------
    kind : {"none", "good", "bad"}
    text : str
    """
    proof, since = exhibit.proof, exhibit.history.since
    if not proof.equal:  # first: what was found wrong stays so, even if golden has ended since
        return "bad", f"\N{HEAVY MULTIPLICATION X} differs from golden: {proof.differences[0]}"
    if proof.message:
        return "none", proof.message
    if not proof.ready:
        return "none", "golden is getting ready"
    if since(proof.samples) <= 0:
        return "none", "golden has learned nothing yet"
    text = f"\N{HEAVY CHECK MARK} equal to golden to sample {since(proof.samples):,}"
    if proof.bits_at is not None and since(proof.bits_at) >= 0:
        text += f", all bits compared at {since(proof.bits_at):,}"
    return "good", text
