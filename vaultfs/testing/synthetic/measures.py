"""What is measured: LOINC codes with their units and ranges, and the panels they come in.

Codes and names are LOINC's (see samples/README.md for its notice); units are UCUM codes; the ranges are plausible
round figures for adults, not clinical advice.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs.testing.synthetic.codes import LOINC, Code


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that is observed.

    Parameters
    ----------
    code
        LOINC code and name.
    unit, ucum
        The unit as it is written for people, and as a UCUM code.
    low, high
        Ends of what is drawn, in units of the last decimal place.
    places
        Decimal places that a laboratory states.
    normal
        The reference range, in the same units, or None where none is stated.
    """

    code: Code
    unit: str
    ucum: str
    low: int
    high: int
    places: int
    normal: tuple[int, int] | None


def _table(text: str) -> tuple[Measure, ...]:
    return tuple(_row(line) for line in text.strip().splitlines())


def _row(line: str) -> Measure:
    code, name, unit, ucum, low, high, places, normal = line.split("|")
    ends = normal.split("-") if normal else None
    return Measure(
        Code(LOINC, code, name), unit, ucum, int(low), int(high), int(places),
        None if ends is None else (int(ends[0]), int(ends[1])),
    )  # fmt: skip


VITALS = _table("""
8302-2|Body height|cm|cm|1450|1980|1|
29463-7|Body weight|kg|kg|420|1300|1|
39156-5|Body mass index (BMI) [Ratio]|kg/m2|kg/m2|1700|4200|2|
8867-4|Heart rate|/min|/min|52|110|0|60-100
9279-1|Respiratory rate|/min|/min|11|22|0|12-20
8310-5|Body temperature|Cel|Cel|358|391|1|361-372
59408-5|Oxygen saturation in Arterial blood by Pulse oximetry|%|%|90|100|0|95-100
72514-3|Pain severity - 0-10 verbal numeric rating [Score] - Reported|{score}|{score}|0|10|0|
""")

SYSTOLIC, DIASTOLIC = _table("""
8480-6|Systolic blood pressure|mm[Hg]|mm[Hg]|95|185|0|90-140
8462-4|Diastolic blood pressure|mm[Hg]|mm[Hg]|55|112|0|60-90
""")

BLOOD_PRESSURE = Code(LOINC, "85354-9", "Blood pressure panel with all children optional")
SMOKING_STATUS = Code(LOINC, "72166-2", "Tobacco smoking status")

BLOOD_COUNT = _table("""
6690-2|Leukocytes [#/volume] in Blood by Automated count|10*3/uL|10*3/uL|25|140|1|45-110
789-8|Erythrocytes [#/volume] in Blood by Automated count|10*6/uL|10*6/uL|350|610|2|400-550
718-7|Hemoglobin [Mass/volume] in Blood|g/dL|g/dL|92|181|1|120-175
4544-3|Hematocrit [Volume Fraction] of Blood by Automated count|%|%|300|540|1|360-500
787-2|MCV [Entitic volume] by Automated count|fL|fL|74|104|0|80-100
785-6|MCH [Entitic mass] by Automated count|pg|pg|240|355|1|270-330
786-4|MCHC [Mass/volume] by Automated count|g/dL|g/dL|305|368|1|320-360
21000-5|Erythrocyte distribution width [Entitic volume] by Automated count|fL|fL|370|520|1|390-460
777-3|Platelets [#/volume] in Blood by Automated count|10*3/uL|10*3/uL|110|480|0|150-450
32207-3|Platelet distribution width [Entitic volume] in Blood by Automated count|fL|fL|95|520|1|
32623-1|Platelet mean volume [Entitic volume] in Blood by Automated count|fL|fL|72|129|1|75-125
""")

METABOLIC = _table("""
2339-0|Glucose [Mass/volume] in Blood|mg/dL|mg/dL|62|260|0|70-99
6299-2|Urea nitrogen [Mass/volume] in Blood|mg/dL|mg/dL|6|44|0|7-20
38483-4|Creatinine [Mass/volume] in Blood|mg/dL|mg/dL|50|290|2|60-120
49765-1|Calcium [Mass/volume] in Blood|mg/dL|mg/dL|81|109|1|85-102
2947-0|Sodium [Moles/volume] in Blood|mmol/L|mmol/L|130|149|0|136-144
6298-4|Potassium [Moles/volume] in Blood|mmol/L|mmol/L|32|56|1|37-52
2069-3|Chloride [Moles/volume] in Blood|mmol/L|mmol/L|94|114|0|101-111
20565-8|Carbon dioxide, total [Moles/volume] in Blood|mmol/L|mmol/L|18|32|0|20-29
33914-3|Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum or Plasma by Creatinine-based \
formula (MDRD)|mL/min/{1.73_m2}|mL/min/{1.73_m2}|14|119|0|
2885-2|Protein [Mass/volume] in Serum or Plasma|g/dL|g/dL|55|86|1|60-83
1751-7|Albumin [Mass/volume] in Serum or Plasma|g/dL|g/dL|29|54|1|35-50
10834-0|Globulin [Mass/volume] in Serum by calculation|g/dL|g/dL|19|37|1|20-35
1975-2|Bilirubin.total [Mass/volume] in Serum or Plasma|mg/dL|mg/dL|1|22|1|1-12
6768-6|Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma|U/L|U/L|31|160|0|40-129
1742-6|Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma|U/L|U/L|6|88|0|7-55
1920-8|Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma|U/L|U/L|7|79|0|8-48
""")

LIPIDS = _table("""
2093-3|Cholesterol [Mass/volume] in Serum or Plasma|mg/dL|mg/dL|120|310|0|100-200
2571-8|Triglyceride [Mass/volume] in Serum or Plasma|mg/dL|mg/dL|52|390|0|0-150
18262-6|Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay|mg/dL|mg/dL|48|210|0|0-100
2085-9|Cholesterol in HDL [Mass/volume] in Serum or Plasma|mg/dL|mg/dL|28|92|0|40-80
""")

SINGLES = _table("""
4548-4|Hemoglobin A1c/Hemoglobin.total in Blood|%|%|46|108|1|40-57
3016-3|Thyrotropin [Units/volume] in Serum or Plasma|m[IU]/L|m[IU]/L|20|890|2|40-400
2276-4|Ferritin [Mass/volume] in Serum or Plasma|ng/mL|ng/mL|6|390|0|15-150
1988-5|C reactive protein [Mass/volume] in Serum or Plasma|mg/L|mg/L|1|980|1|0-50
14959-1|Microalbumin/Creatinine [Mass Ratio] in Urine|mg/g|mg/g|20|3000|1|0-300
33762-6|Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma|pg/mL|pg/mL|20|2100|0|0-125
1989-3|25-hydroxyvitamin D3 [Mass/volume] in Serum or Plasma|ng/mL|ng/mL|9|80|0|30-100
""")

SURVEYS = _table("""
55758-7|Patient Health Questionnaire 2 item (PHQ-2) total score [Reported]|{score}|{score}|0|6|0|
44261-6|Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]|{score}|{score}|0|27|0|
70274-6|Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]|{score}|{score}|0|21|0|
75626-2|Total score [AUDIT-C]|{score}|{score}|0|12|0|
""")

PANELS = (
    (Code(LOINC, "58410-2", "CBC panel - Blood by Automated count"), BLOOD_COUNT),
    (Code(LOINC, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"), METABOLIC),
    (Code(LOINC, "51990-0", "Basic metabolic panel - Blood"), METABOLIC[:8]),
    (Code(LOINC, "57698-3", "Lipid panel with direct LDL - Serum or Plasma"), LIPIDS),
)
"""Laboratory panels and what each measures."""
