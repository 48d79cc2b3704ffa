"""Works out beforehand what the shipped specs say: their trees, their names, and the figures of `archcalc list`.

python -m archcalc.shipped.precompile
"""

import os

import msgspec

from archcalc.errors import SpecError
from archcalc.shipped import figures
from archcalc.spec import precompiled
from archcalc.spec.architecture import read
from archcalc.spec.catalogue import shipped_spec_files, specs_directory
from archcalc.spec.files import read_file
from archcalc.spec.source import parse


def trees_and_names() -> dict[str, bytes]:
    """The files that hold the trees and the names of the shipped specs, by their paths; raises SpecError."""
    found, files = dict[str, bytes](), dict[str, str]()
    for file in shipped_spec_files():
        document = read_file(os.path.join(specs_directory(), file))
        tree, problems = parse(document)
        if problems:
            raise SpecError(problems)
        found[os.path.join(precompiled.FOLDER, precompiled.tree_file(file))] = precompiled.packed(document, tree)
        if os.path.dirname(file) == "":
            family = read(document)
            files |= dict.fromkeys(family.variants or (family.name,), file)
    found[os.path.join(precompiled.FOLDER, precompiled.NAMES)] = (
        msgspec.json.format(msgspec.json.encode(dict(sorted(files.items()))), indent=1) + b"\n"
    )
    return found


def listed() -> dict[str, bytes]:
    """The file that holds the figures of `archcalc list`, by its path; what it holds follows from the names."""
    rows = b",\n".join(map(msgspec.json.encode, figures.computed_figures()))
    return {figures.PATH: b'{"made_of":%d,"architectures":[\n%s\n]}\n' % (figures.texts_checksum(), rows)}


def main() -> None:
    """Write what differs from what is there."""
    for made in (trees_and_names, listed):
        for path, data in made().items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
