"""Reports that continuous integration shows."""

from xml.etree import ElementTree

from popflip.scripts.junit import Outcome, junit_xml, write_junit


def test_a_report_says_what_passed_failed_and_ended(tmp_path):
    outcomes = [
        Outcome("good", 1.234),
        Outcome("bad", 2, failure="3 of weights0 <differ>\n1 of latents0"),
        Outcome("ended", 0.5, error="\x1b[31mno answer\x00 & no end\nlog"),
    ]
    write_junit(tmp_path / "report.xml", "suite", outcomes, {"seed": 7})
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    [suite] = root
    counts = {"tests": "3", "failures": "1", "errors": "1", "skipped": "0", "time": "3.73"}
    assert root.attrib == counts
    assert suite.attrib == {"name": "suite"} | counts
    assert suite.find("properties/property").attrib == {"name": "seed", "value": "7"}
    good, bad, ended = suite.findall("testcase")
    assert good.attrib == {"classname": "suite", "name": "good", "time": "1.23"}
    assert list(good) == []
    [failure], [error] = bad, ended
    assert failure.tag == "failure"
    assert failure.attrib == {"message": "3 of weights0 <differ>"}
    assert failure.text == "3 of weights0 <differ>\n1 of latents0"
    assert (error.tag, error.text) == ("error", "[31mno answer & no end\nlog")


def test_a_report_without_cases_is_one():
    [suite] = ElementTree.fromstring(junit_xml("none", [], {}))
    assert suite.get("tests") == "0"
