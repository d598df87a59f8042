"""The bundle file: what was registered, under which ids, and for whom."""

import json
import os
import uuid
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from matminer_compute.errors import BundleError
from matminer_compute.errors.machine import files, whole_file

FORMAT: Literal[1] = 1
Service = Literal["globus-compute", "embedded"]


def _uuid(text: str) -> str:
    return str(uuid.UUID(text))


class RegisteredFunction(BaseModel):
    """One function as the service knows it.

    Raises:
        ValueError: ``id`` is no UUID, or ``name`` no name of a function.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, AfterValidator(_uuid)]
    sha256: str
    #: It gets into a comment of the endpoint's config.yaml, which a line of its own would leave.
    name: str = Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")


class Bundle(BaseModel):
    """Everything a caller needs to use the functions, and an operator to allow them."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = FORMAT
    #: Whose ids these are: those of an embedded endpoint mean nothing to anybody else.
    service: Service = "globus-compute"
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
        with files(
            f"The bundle {path} cannot be read",
            BundleError,
            "make one with 'matminer-compute register', or ask the publisher for theirs",
        ):
            data = Path(path).read_bytes()
        try:
            return cls.model_validate(json.loads(data))  # which finds UTF-16, and a BOM, itself
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"The bundle {path} is not of format {FORMAT}; register again with this version."
            ) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all.

        Raises:
            FileUnusable: it cannot be written there.
        """
        with whole_file(path) as part, files(f"{path} cannot be written"):
            part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def function_id(self, name: str) -> str:
        """The id of a function by its name.

        Raises:
            BundleError: the bundle does not hold it.
        """
        if name not in self.functions:
            raise BundleError(f"The bundle has no function {name!r}; register again.")
        return self.functions[name].id

    def of_globus_compute(self, name: str | os.PathLike[str] = "The bundle") -> "Bundle":
        """This bundle, if its ids are Globus Compute's.

        Raises:
            BundleError: they are an embedded endpoint's.
        """
        if self.service == "embedded":
            raise BundleError(
                f"{name} is a bundle of the embedded endpoint, whose ids mean nothing to Globus "
                "Compute; make another with 'matminer-compute register -o FILE'."
            )
        return self

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
