"""No secret of a registry's address is ever shown, whatever characters it is made of."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matminer_compute.functions.worker.address import public_address
from matminer_compute.registration.address import address_fault, redacted

# Not the letters of the rest of the address, so that "is not in it" can be told.
SECRET = st.text("XYZ089/?#[]@:%&=\\é\n\t", min_size=4).filter(lambda s: {*"XYZ"} & {*s})


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://u:p@host:5000/a?token=x", "https://host:5000/a"),
        ("https://u:p@host:5000/a#fragment", "https://host:5000/a"),
        ("postgresql://u:p@db/mlflow", "postgresql://db/mlflow"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("http://alice:sec/ret@host", "http://host"),
        ("http://alice:sec#ret@host", "http://…"),
        ("http://alice:sec?ret@host", "http://…"),
        ("http://alice:sec[ret@host", "http://host"),
        ("http://alice:secret", "http://…"),
        ("http://alice:secret@host:none", "http://…"),
        ("http://host/x?token=a@b", "http://…"),
        ("alice:secret@host", "…"),
        ("sqlite:////data/me@home/registry.db", "sqlite:////data/me@home/registry.db"),
        ("sqlite:///registry.db?timeout=1", "sqlite:///registry.db"),
        ("file:///data/a b", "file:///data/a b"),
        ("databricks", "databricks"),
        ("", ""),
    ],
)
def test_what_is_shown_of_an_address(uri, shown):
    assert public_address(uri) == shown


def _pieces(secret):
    """What of a secret would give it away: every run of four characters, and it as a whole."""
    return {secret[i : i + 4] for i in range(len(secret) - 3)}


@given(SECRET)
@example("sec/ret")
@example("X?Y#Z[@:")
def test_no_secret_is_shown(secret):
    for uri in (f"http://me:{secret}@host:5000/a", f"postgresql://{secret}@host/db"):
        shown = [public_address(uri), address_fault(uri)]
        shown += [redacted(f"cannot connect to {uri}/api: refused", uri)]
        for text in shown:
            assert not [piece for piece in _pieces(secret.strip()) if piece in text]


@given(st.text())
def test_any_text_at_all_can_be_shown(text):
    for uri in (text, f"http://{text}", f"sqlite:///{text}"):
        assert public_address(uri).isprintable()
        assert isinstance(address_fault(uri), str)
        redacted(text, uri)


@pytest.mark.parametrize("character", "/?#[")
def test_an_address_that_would_be_misread_is_refused_with_the_way_out(character):
    fault = address_fault(f"http://alice:sec{character}ret@host")
    assert "percent-encoded" in fault
    assert "MLFLOW_TRACKING_PASSWORD" in fault
    assert address_fault("http://alice:sec%2Fret@host:5000") == ""


@pytest.mark.parametrize(
    "uri", ["http://host", "https://u:p@h/x", "sqlite:////a?b", "databricks", "http://[::1]:5000"]
)
def test_an_address_that_can_be_read(uri):
    assert address_fault(uri) == ""


def test_a_foreign_message_loses_the_credentials_however_it_quotes_them():
    uri = "http://alice:sec%2Fret@host:5000"
    for text in (f"GET {uri}/api/2.0", "user alice:sec/ret", "bad password sec/ret", "sec%2Fret"):
        assert "sec" not in redacted(text, uri)
    assert redacted("see http://bob:hush@other/x") == "see http://other/x"
