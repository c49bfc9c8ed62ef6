"""Two meetings with queries, in the format of QMSum, and a few problems."""

from typing import Any

MEETINGS: list[dict[str, Any]] = [
    {
        "id": "kitchen",
        "transcript": [
            {"speaker": "Ada", "text": "Shall we begin with the budget?"},
            {"speaker": "Ben", "text": "The control costs twelve euros fifty, as agreed in March."},
            {"speaker": "Ada", "text": "The rubber case melts near the oven, so it is ruled out."},
        ],
        "queries": [
            {
                "query": "What does the control cost?",
                "answer": "The control costs twelve euros fifty.",
                "spans": [["0", "1"]],
            },
            {
                "query": "Why was the rubber case ruled out?",
                "answer": "It melts near the oven.",
                "spans": [["2", "2"]],
            },
            {"query": "Which colour?", "answer": "", "spans": [["0", "2"]]},
        ],
    },
    {
        "id": "studio",
        "transcript": [
            {"speaker": "Cyd", "text": "The microphones of the second room are still broken."},
            {"speaker": "Dee", "text": "New ones were promised by the end of last year."},
        ],
        "queries": [
            {
                "query": "What is broken?",
                "answer": "The microphones of the second room.",
                "spans": [["0", "0"], ["0", "1"]],
            }
        ],
    },
]
PROBLEMS = [
    {
        "id": f"p{n}",
        "question": f"What is {n} plus {n}?",
        "answer": f"{n} + {n} = {2 * n}\n#### {2 * n}",
    }
    for n in range(1, 13)
]
