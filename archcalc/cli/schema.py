"""`archcalc schema`."""

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import format_by_ending, output_option


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.option("--claims", is_flag=True, help="Print the schema of claim files, which `reproduce` reads.")
@output_option
def schema(claims: bool, output: str | None) -> None:
    """Print the JSON Schema of a spec, for editors that complete and check YAML.

    \b
    archcalc schema -o archcalc.schema.json
    then, as the first line of a spec:
    # yaml-language-server: $schema=archcalc.schema.json
    """  # noqa: D301  # click takes the character \b for "keep these lines"
    from archcalc.render.formats.data import as_json
    from archcalc.render.output import write

    format_by_ending(output, {".json": "json"}, "json")
    if claims:
        from archcalc.evidence.claims import claims_schema

        write(as_json(claims_schema()), output)
        return
    from archcalc.api import spec_schema

    write(as_json(spec_schema()), output)
