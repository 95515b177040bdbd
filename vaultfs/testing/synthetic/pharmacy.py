"""What patients are given: drugs (RxNorm) and vaccines (CVX).

Names are RxNorm's own normalized names (source RXNORM, October 2025) and the short descriptions of CDC's CVX table
(December 2025); both are in the public domain.
"""

from __future__ import annotations

from vaultfs.testing.synthetic.codes import CVX, RXNORM, Code


def _table(system: str, text: str) -> tuple[Code, ...]:
    rows = (line.split(" ", 1) for line in text.strip().splitlines())
    return tuple(Code(system, code, name) for code, name in rows)


DRUGS = _table(
    RXNORM,
    """
314076 lisinopril 10 MG Oral Tablet
314077 lisinopril 20 MG Oral Tablet
860975 24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet
861007 metformin hydrochloride 500 MG Oral Tablet
310798 hydrochlorothiazide 25 MG Oral Tablet
314231 simvastatin 10 MG Oral Tablet
312961 simvastatin 20 MG Oral Tablet
198211 simvastatin 40 MG Oral Tablet
310965 ibuprofen 200 MG Oral Tablet
206905 ibuprofen 400 MG Oral Tablet [Ibu]
198405 ibuprofen 100 MG Oral Tablet
562251 amoxicillin 250 MG / clavulanate 125 MG Oral Tablet
311372 loratadine 10 MG Oral Tablet
310325 ferrous sulfate 325 MG Oral Tablet
106258 hydrocortisone 10 MG/ML Topical Cream
309362 clopidogrel 75 MG Oral Tablet
1049630 diphenhydramine hydrochloride 25 MG Oral Tablet
834102 penicillin V potassium 500 MG Oral Tablet
834061 penicillin V potassium 250 MG Oral Tablet
895994 120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler
896209 60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler
866412 24 HR metoprolol succinate 100 MG Extended Release Oral Tablet
105586 methotrexate 10 MG Oral Tablet
1660014 1 ML epinephrine 1 MG/ML Injection
351109 budesonide 0.25 MG/ML Inhalation Suspension
849574 naproxen sodium 220 MG Oral Tablet
705129 nitroglycerin 0.4 MG/ACTUAT Mucosal Spray
312938 sertraline 100 MG Oral Tablet
312940 sertraline 25 MG Oral Tablet
314200 pantoprazole 40 MG Delayed Release Oral Tablet
200031 carvedilol 6.25 MG Oral Tablet
197517 clarithromycin 500 MG Oral Tablet
310429 furosemide 20 MG Oral Tablet
966222 levothyroxine sodium 0.075 MG Oral Tablet
966224 levothyroxine sodium 0.125 MG Oral Tablet
892246 levothyroxine sodium 0.1 MG Oral Tablet
310385 fluoxetine 20 MG Oral Capsule
979480 losartan potassium 100 MG Oral Tablet
979485 losartan potassium 25 MG Oral Tablet
200371 citalopram 20 MG Oral Tablet
855332 warfarin sodium 5 MG Oral Tablet
1037045 dabigatran etexilate 150 MG Oral Capsule
856377 trazodone hydrochloride 50 MG Oral Tablet
857005 acetaminophen 325 MG / hydrocodone bitartrate 7.5 MG Oral Tablet
1049221 acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral Tablet
197591 diazepam 5 MG Oral Tablet
""",
)
"""Clinical drugs, the most frequent first."""

INGREDIENTS = _table(
    RXNORM,
    """
7980 penicillin G
2670 codeine
5640 ibuprofen
10831 sulfamethoxazole / trimethoprim
2551 ciprofloxacin
29046 lisinopril
""",
)
"""Ingredients that patients are allergic to."""

VACCINES = _table(
    CVX,
    """
140 Influenza, split virus, trivalent, PF
150 Influenza, split virus, quadrivalent, PF
141 Influenza, split virus, trivalent, preservative
197 Influenza, high-dose, quadrivalent, PF
113 Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed
115 Tdap
52 Hep A, adult
83 Hep A, ped/adol, 2 dose
114 meningococcal MCV4P
62 HPV, quadrivalent
165 HPV9
133 Pneumococcal conjugate PCV 13
33 pneumococcal polysaccharide PPV23
43 Hep B, adult
08 Hep B, adolescent or pediatric
20 DTaP
10 IPV
49 Hib (PRP-OMP)
119 rotavirus, monovalent
21 varicella
03 MMR
121 zoster live
187 zoster recombinant
208 COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose
207 COVID-19, mRNA, LNP-S, PF, 100 mcg/0.5mL dose or 50 mcg/0.25mL dose
212 COVID-19 vaccine, vector-nr, rS-Ad26, PF, 0.5 mL
300 COVID-19, mRNA, LNP-S, bivalent, PF, 30 mcg/0.3 mL dose
229 COVID-19, mRNA, LNP-S, bivalent, PF, 50 mcg/0.5 mL or 25mcg/0.25 mL dose
216 Pneumococcal conjugate PCV20, polysaccharide CRM197 conjugate, adjuvant, PF
""",
)
"""Vaccines, the most frequent first."""
