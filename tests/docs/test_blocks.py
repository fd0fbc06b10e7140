"""What runs the documents' blocks notices what is wrong with them."""

import blocks
import pytest
from sybil.example import SybilFailure


@pytest.fixture
def run(tmp_path):
    def run_(text):
        document = tmp_path / "document.md"
        document.write_text(text, encoding="utf-8")
        blocks.run(document, tmp_path)

    return run_


@pytest.mark.parametrize(
    "block",
    [
        "```python\nraise ZeroDivisionError\n```",
        "```python\n>>> 1 + 1\n3\n```",
        "```python\n>>> print('shown')\n```",
        "```python\n>>> 1 / 0\nTraceback (most recent call last):\n  ...\nKeyError: 0\n```",
        "```console\n$ false\n```",
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ echo 1.5 seconds\n2.5 seconds\n```",
        "```console\n$ python -c 'import sys; print(sys.path); sys.exit(3)'\n```",
        "```console\n$ exit\n```",
    ],
)
def test_a_block_that_is_wrong_fails(run, block):
    with pytest.raises((AssertionError, SybilFailure, ZeroDivisionError, EOFError, OSError)):
        run(f"{block}\n")


def test_blocks_share_namespace_folder_and_shell(run):
    run(
        "```{code-block} python\n:caption: two.py\n\nTWO = 2\n```\n\n"
        "```python\nfrom two import TWO\n```\n\n"
        "```python\n>>> TWO + 1\n3\n>>> for _ in range(TWO):\n...     print('it took 0.5 s')\n...\n"
        "it took 0.1 s\nit took 0.22 s\n```\n\n"
        "```console\n$ export THREE=3\n$ python -c 'import two; print(two.TWO)'; echo $THREE\n2\n3\n```\n"
    )


SERVER = """
from http.server import HTTPServer, SimpleHTTPRequestHandler

with HTTPServer(("127.0.0.1", 8080), SimpleHTTPRequestHandler) as server:
    print("READY")
    server.serve_forever()
"""


def test_a_server_is_left_running_until_the_document_ends(run):
    run(
        f"```{{code-block}} python\n:caption: serve.py\n{SERVER}```\n\n"
        "```console\n$ python serve.py\nREADY\n```\n\n"
        "```python\nimport urllib.request\n\n"
        "with urllib.request.urlopen('http://127.0.0.1:8080/document.md') as answer:\n"
        "    assert answer.status == 200\n```\n"
    )
