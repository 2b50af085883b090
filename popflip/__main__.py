"""``python -m popflip``, and what the command ``popflip`` calls."""

from popflip.golden.support import interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command; interrupts are handled from here on, the slow imports included."""
    interrupts.install()
    from popflip.scripts import cli

    cli.main()


if __name__ == "__main__":
    main()
