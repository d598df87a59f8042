"""The bundle file: what was registered, under which ids, and for whom."""

import json
import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matminer_compute.errors import BundleError

FORMAT: Literal[1] = 1


class RegisteredFunction(BaseModel):
    """One function as the service knows it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    sha256: str
    name: str


class Bundle(BaseModel):
    """Everything a caller needs to use the functions, and an operator to allow them."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = FORMAT
    functions: dict[str, RegisteredFunction] = Field(default_factory=dict)
    history: list[RegisteredFunction] = Field(default_factory=list)
    model: str = "Matminer"
    featurizer: str = "Matminer Featurizer"
    sdk: str = ""
    public: bool = False
    group: str | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Bundle":
        """Read a bundle file.

        Raises:
            BundleError: it is missing, not JSON, or of another format.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise BundleError(
                f"The bundle {path} cannot be read ({error.strerror}); make one with "
                "'matminer-compute register', or ask the publisher for theirs."
            ) from error
        try:
            return cls.model_validate(json.loads(text))
        except (ValidationError, json.JSONDecodeError) as error:
            raise BundleError(
                f"The bundle {path} is not of format {FORMAT}; register again with this version."
            ) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}-", delete=False
        ) as part:
            part.write(self.model_dump_json(indent=2) + "\n")
        Path(part.name).chmod(0o644)
        Path(part.name).replace(target)

    def function_id(self, name: str) -> str:
        """The id of a function by its name.

        Raises:
            BundleError: the bundle does not hold it.
        """
        if name not in self.functions:
            raise BundleError(f"The bundle has no function {name!r}; register again.")
        return self.functions[name].id

    def endpoint_configuration(self) -> str:
        """The lines that let an endpoint run these functions and no other, from source and JSON."""
        ids = "\n".join(f"  - {f.id}  # {f.name}" for f in self.functions.values())
        return (
            "# in the endpoint's config.yaml\n"
            f"allowed_functions:\n{ids}\n"
            "# in its user_config_template.yaml.j2\n"
            "engine:\n"
            "  allowed_serializers:\n"
            "    - globus_compute_sdk.serialize.PureSourceTextInspect\n"
            "    - globus_compute_sdk.serialize.JSONData\n"
        )
