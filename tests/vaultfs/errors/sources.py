"""Scenarios: sources that an import cannot understand or read, and places that an export cannot be written to."""

from __future__ import annotations

from tests.vaultfs.errors.world import PLANTED, World, reaches
from tests.vaultfs.interop.ccda.documents import document
from tests.vaultfs.interop.dicom.files import dicom
from vaultfs.migrate.export import Exporter

NAME = PLANTED.plain("family")
PERSON = '{"resourceType":"Patient","name":[{"family":"' + NAME + '"}]}\n'


@reaches("FormatUnknown")
def a_picture(world: World) -> set[int]:
    return world.imported("scan.png", b"\x89PNG\r\n\x1a\n" + PLANTED.data("picture"))


@reaches("JsonMalformed")
def a_file_that_was_cut(world: World) -> set[int]:
    return world.imported("cut.json", PERSON[:-4])


@reaches("JsonTooDeep")
def arrays_in_arrays(world: World) -> set[int]:
    return world.imported("deep.json", '{"' + NAME + '":' + "[" * 9000 + "]" * 9000 + "}")


@reaches("PieceTooLarge")
def a_message_of_seventy_megabytes(world: World) -> set[int]:
    return world.imported("large.hl7", f"MSH|^~\\&|{NAME}\rOBX|1|ED|||{'x' * 70_000_000}\r")


@reaches("NotAResource")
def an_object_of_something_else(world: World) -> set[int]:
    return world.imported("other.json", '{"resourceType":"' + NAME + '"}')


@reaches("FieldMalformed")
def two_subjects_of_which_readers_take_either(world: World) -> set[int]:
    subject = '"subject":{"reference":"Patient/' + NAME + '"}'
    return world.imported("field.json", '{"resourceType":"Observation",' + subject + "," + subject + "}")


@reaches("Hl7Malformed")
def a_message_without_delimiters(world: World) -> set[int]:
    return world.imported("a.hl7", f"MSH|^~\\&|A|B\rPID|1||9^^^H\rMSH7^~\\&7{NAME}\rPID|1||9^^^H\r")


@reaches("Hl7NoHeader")
def a_message_whose_beginning_is_lost(world: World) -> set[int]:
    return world.imported("b.hl7", f"PID|1||{NAME}^^^X\rOBX|1\r")


@reaches("EncodingUnknown")
def a_patient_id_in_no_character_set(world: World) -> set[int]:
    texts = [(0x00080005, "CS", NAME), (0x00100020, "LO", NAME.encode() + b"\xff")]
    return world.imported("a.dcm", dicom(*texts))


@reaches("DicomMalformed")
def an_image_with_a_patient_id_of_many_pages(world: World) -> set[int]:
    return world.imported("b.dcm", dicom((0x00100020, "UT", NAME * 10_000)))


@reaches("DicomTruncated")
def an_image_that_was_cut(world: World) -> set[int]:
    return world.imported("c.dcm", dicom((0x00100020, "LO", NAME))[:-5])


@reaches("XmlMalformed")
def a_document_that_was_cut(world: World) -> set[int]:
    return world.imported("a.xml", document(f"<title>{NAME}</title>")[:-9])


@reaches("XmlForbidden")
def a_document_with_a_type(world: World) -> set[int]:
    return world.imported("b.xml", f'<!DOCTYPE ClinicalDocument SYSTEM "{NAME}">' + document())


@reaches("XmlTooDeep")
def a_document_of_sections_in_sections(world: World) -> set[int]:
    return world.imported("c.xml", document("<section>" * 5000 + NAME + "</section>" * 5000))


@reaches("SourceChanged")
def a_file_that_is_written_while_it_is_read(world: World) -> set[int]:
    path = world.source("live.ndjson", "")

    def append(_: int, __: int) -> None:
        with path.open("a") as file:
            file.write(PERSON)

    return world.imported("live.ndjson", PERSON * 20_000, progress=append)


@reaches("SourceUnreadable")
def a_link_to_nothing(world: World) -> set[int]:
    (world.sources / "link").symlink_to(PLANTED.plain("target"))
    return world.imported("good.ndjson", PERSON)


@reaches("DestinationNotEmpty")
def an_export_is_written_beside_other_files(world: World) -> None:
    (world.hidden / PLANTED.plain("file")).touch()
    with world.session() as session:
        Exporter(session, world.hidden).run()


@reaches("DestinationFailed")
def an_export_is_written_below_a_file(world: World) -> None:
    path = world.hidden / PLANTED.plain("file")
    path.touch()
    with world.session() as session:
        Exporter(session, path / "out").run()
