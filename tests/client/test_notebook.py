"""What a caller sees in a notebook, run by a real kernel."""

import nbformat
from nbclient import NotebookClient

CELLS = """\
from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint

endpoint = EmbeddedEndpoint("processes", workers=1, registry={registry!r})
client = CompositionClient(endpoint=endpoint)
---
client.predict(["NaCl", "not a formula"])
---
found = client.screen("candidates.txt", "out.csv")
---
found.lowest[0].formula
---
client.close()
endpoint.close()
"""


def test_a_table_and_one_line_that_is_written_over(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "candidates.txt").write_text("NaCl\nFe2O3\n" * 1500)
    cells = CELLS.format(registry=registry.uri).split("---\n")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook, resources={"metadata": {"path": str(tmp_path)}}, timeout=None, startup_timeout=600
    )
    client.execute()
    _, predicted, screened, lowest, _ = (cell.outputs for cell in notebook.cells)
    assert "<table" in predicted[0].data["text/html"]
    assert "NaCl" in predicted[0].data["text/html"]
    [line] = screened  # and nothing about ipywidgets
    assert line.data["text/plain"] == "Screening: done"
    assert lowest[0].data["text/plain"] in ("'NaCl'", "'Fe2O3'")
