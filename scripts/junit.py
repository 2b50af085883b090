"""Test reports in JUnit's XML, which continuous integration shows.

A report is one suite of cases. ``xml.etree`` writes it: packages for it would bring no less code.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from popflip.golden.support.files import write_atomically

__all__ = ["Outcome", "junit_xml", "write_junit"]

# What XML 1.0 has no characters for, such as the colours of a log.
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Outcome(NamedTuple):
    """What became of one case.

    Parameters
    ----------
    name : str
    seconds : float
        How long it took.
    failure : str
        Why it failed, the first line for short; empty if it did not.
    error : str
        Why it came to no end; likewise.
    """

    name: str
    seconds: float
    failure: str = ""
    error: str = ""


def junit_xml(suite: str, cases: Sequence[Outcome], properties: Mapping[str, object]) -> bytes:
    """Return a report as XML.

    Parameters
    ----------
    suite : str
        Its name, and the class of its cases.
    cases : sequence of Outcome
    properties : mapping of str to object
        What else there is to say.
    """
    counts: dict[str, object] = {
        "tests": len(cases),
        "failures": sum(bool(case.failure) for case in cases),
        "errors": sum(bool(case.error) for case in cases),
        "skipped": 0,
        "time": round(sum(case.seconds for case in cases), 2),
    }
    root = ElementTree.Element("testsuites", _texts(counts))
    one = ElementTree.SubElement(root, "testsuite", _texts({"name": suite} | counts))
    listed = ElementTree.SubElement(one, "properties")
    for name, value in properties.items():
        ElementTree.SubElement(listed, "property", _texts({"name": name, "value": value}))
    for case in cases:
        about = {"classname": suite, "name": case.name, "time": round(case.seconds, 2)}
        element = ElementTree.SubElement(one, "testcase", _texts(about))
        for kind, text in (("failure", case.failure), ("error", case.error)):
            if text:
                message = text.partition("\n")[0]
                ElementTree.SubElement(
                    element, kind, _texts({"message": message})
                ).text = _ILLEGAL.sub("", text)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n"


def write_junit(
    path: Path, suite: str, cases: Sequence[Outcome], properties: Mapping[str, object]
) -> None:
    """Write a report; the other arguments are those of :func:`junit_xml`."""
    write_atomically(path, junit_xml(suite, cases, properties))


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: _ILLEGAL.sub("", str(value)) for name, value in values.items()}
