"""Run scikit-learn's checks and write the table in docs/compliance.md: python docs/compliance.py."""

import os
import sys
from collections import Counter
from pathlib import Path

os.environ["SCIPY_ARRAY_API"] = "1"  # read on import; without it, scikit-learn skips checks
os.environ["MPLBACKEND"] = "agg"
_DOCS = Path(__file__).parent
sys.path.insert(0, str(_DOCS.parent / "tests" / "helpers"))

from sklearn_checks import (  # noqa: E402
    ESTIMATORS,
    list_own_checks,
    name_of,
    run_check_estimator,
    run_own_check,
)

PAGE = _DOCS / "compliance.md"
_HEADER = ["| estimator | checks run | passed | skipped |", "|---|---|---|---|"]


def main():
    """Replace the table at the end of the page."""
    rows = []
    for estimator in ESTIMATORS:
        counts = Counter(run_check_estimator(estimator))
        for check in list_own_checks(estimator):
            run_own_check(check, estimator)
            counts["passed"] += 1
        skipped = counts["skipped"] + counts["xfail"]
        name = name_of(estimator)
        rows.append(f"| `{name}` | {counts.total()} | {counts['passed']} | {skipped} |")
    text, _, _ = PAGE.read_text(encoding="utf-8").partition(_HEADER[0])
    PAGE.write_text(text + "\n".join([*_HEADER, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
