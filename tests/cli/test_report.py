import json

import pytest

from atoll.cli import report


def test_json_has_no_numbers_that_json_has_not(capsys):
    report.print_json({"a": [float("nan"), float("inf"), 1.5], "b": {"c": float("-inf")}})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"a": ["nan", "inf", 1.5], "b": {"c": "-inf"}}


def test_table_puts_numbers_right_and_words_left(capsys):
    report.print_table(("name", "size"), [("a", 1), ("long", 100)])
    assert capsys.readouterr().out == "NAME  SIZE\na        1\nlong   100\n"


def test_empty_table_says_so(capsys):
    report.print_table(("name",), [], empty="nothing yet")
    assert capsys.readouterr().out == "nothing yet\n"


def test_value_is_one_number_a_line(capsys):
    report.print_value({"rms": {"quantiles": {"0.5": 1.25, "0.99": float("nan")}}, "count": 3})
    assert capsys.readouterr().out.splitlines() == [
        "rms quantiles 0.5   1.25",
        "rms quantiles 0.99  nan",
        "count               3",
    ]


def test_rows_are_cut_and_counted(capsys):
    report.print_value({"rms": [float(n) for n in range(report.ROWS_SHOWN + 5)]})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == report.ROWS_SHOWN + 1
    assert "5 more rows" in lines[-1]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (2.5e6, "2.5 MB"), (1e12, "1000 GB")],
)
def test_sizes(count, text):
    assert report.size(count) == text
