"""What patients come with and what is done about it: conditions, procedures, encounters, allergies, devices.

SNOMED CT codes and terms are taken from the SNOMED CT Global Patient Set (release of September 2020, CC BY 4.0) alone;
ICD-10-CM codes and titles are those of FY2024 (CMS and NCHS, public domain).
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultfs.testing.synthetic.codes import SNOMED, Code


@dataclass(frozen=True, slots=True)
class Ailment:
    """A condition with its classification and its course.

    Parameters
    ----------
    code
        The SNOMED CT concept.
    icd
        The ICD-10-CM code, with its dot, and its title.
    course
        ``c`` chronic, ``a`` acute (resolves within weeks), ``s`` social.
    """

    code: Code
    icd: tuple[str, str]
    course: str


def _table(text: str) -> tuple[Code, ...]:
    rows = (line.split(" ", 1) for line in text.strip().splitlines())
    return tuple(Code(SNOMED, code, term) for code, term in rows)


def _ailments(text: str) -> tuple[Ailment, ...]:
    rows = (line.split("|") for line in text.strip().splitlines())
    return tuple(Ailment(Code(SNOMED, code, term), (icd, title), course) for course, code, term, icd, title in rows)


AILMENTS = _ailments("""
c|59621000|Essential hypertension (disorder)|I10|Essential (primary) hypertension
c|44054006|Diabetes mellitus type 2 (disorder)|E11.9|Type 2 diabetes mellitus without complications
c|55822004|Hyperlipidemia (disorder)|E78.5|Hyperlipidemia, unspecified
c|195967001|Asthma (disorder)|J45.909|Unspecified asthma, uncomplicated
c|13645005|Chronic obstructive lung disease (disorder)|J44.9|Chronic obstructive pulmonary disease, unspecified
c|370143000|Major depressive disorder (disorder)|F32.9|Major depressive disorder, single episode, unspecified
c|21897009|Generalized anxiety disorder (disorder)|F41.1|Generalized anxiety disorder
c|239873007|Osteoarthritis of knee (disorder)|M17.9|Osteoarthritis of knee, unspecified
c|239872002|Osteoarthritis of hip (disorder)|M16.9|Osteoarthritis of hip, unspecified
c|235595009|Gastroesophageal reflux disease (disorder)|K21.9|Gastro-esophageal reflux disease without esophagitis
a|10509002|Acute bronchitis (disorder)|J20.9|Acute bronchitis, unspecified
a|444814009|Viral sinusitis (disorder)|J01.90|Acute sinusitis, unspecified
a|195662009|Acute viral pharyngitis (disorder)|J02.9|Acute pharyngitis, unspecified
a|43878008|Streptococcal sore throat (disorder)|J02.0|Streptococcal pharyngitis
a|65363002|Otitis media (disorder)|H66.90|Otitis media, unspecified, unspecified ear
a|68566005|Urinary tract infectious disease (disorder)|N39.0|Urinary tract infection, site not specified
c|49436004|Atrial fibrillation (disorder)|I48.91|Unspecified atrial fibrillation
c|84114007|Heart failure (disorder)|I50.9|Heart failure, unspecified
c|433144002|Chronic kidney disease stage 3 (disorder)|N18.30|Chronic kidney disease, stage 3 unspecified
c|431857002|Chronic kidney disease stage 4 (disorder)|N18.4|Chronic kidney disease, stage 4 (severe)
c|271737000|Anemia (disorder)|D64.9|Anemia, unspecified
c|40930008|Hypothyroidism (disorder)|E03.9|Hypothyroidism, unspecified
c|37796009|Migraine (disorder)|G43.909|Migraine, unspecified, not intractable, without status migrainosus
a|279039007|Low back pain (finding)|M54.50|Low back pain, unspecified
c|414916001|Obesity (disorder)|E66.9|Obesity, unspecified
c|162864005|Body mass index 30+ - obesity (finding)|Z68.30|Body mass index [BMI] 30.0-30.9, adult
c|43116000|Eczema (disorder)|L30.9|Dermatitis, unspecified
c|61582004|Allergic rhinitis (disorder)|J30.9|Allergic rhinitis, unspecified
c|367498001|Seasonal allergic rhinitis (disorder)|J30.2|Other seasonal allergic rhinitis
a|44465007|Sprain of ankle (disorder)|S93.409A|Sprain of unspecified ligament of unspecified ankle, initial encounter
a|39848009|Whiplash injury to neck (disorder)|S13.4XXA|Sprain of ligaments of cervical spine, initial encounter
c|90560007|Inflammatory disorder due to increased blood urate level (disorder)|M10.9|Gout, unspecified
c|69896004|Rheumatoid arthritis (disorder)|M06.9|Rheumatoid arthritis, unspecified
c|64859006|Osteoporosis (disorder)|M81.0|Age-related osteoporosis without current pathological fracture
c|9014002|Psoriasis (disorder)|L40.9|Psoriasis, unspecified
c|84757009|Epilepsy (disorder)|G40.909|Epilepsy, unspecified, not intractable, without status epilepticus
a|233604007|Pneumonia (disorder)|J18.9|Pneumonia, unspecified organism
a|6142004|Influenza (disorder)|J11.1|Influenza due to unidentified influenza virus with other respiratory manifestations
a|74400008|Appendicitis (disorder)|K37|Unspecified appendicitis
c|414545008|Ischemic heart disease (disorder)|I25.9|Chronic ischemic heart disease, unspecified
c|46177005|End-stage renal disease (disorder)|N18.6|End stage renal disease
c|88805009|Chronic congestive heart failure (disorder)|I50.22|Chronic systolic (congestive) heart failure
c|40055000|Chronic sinusitis (disorder)|J32.9|Chronic sinusitis, unspecified
a|36971009|Sinusitis (disorder)|J32.9|Chronic sinusitis, unspecified
a|40275004|Contact dermatitis (disorder)|L25.9|Unspecified contact dermatitis, unspecified cause
a|91302008|Sepsis (disorder)|A41.9|Sepsis, unspecified organism
c|39898005|Sleep disorder (disorder)|G47.9|Sleep disorder, unspecified
a|22298006|Myocardial infarction (disorder)|I21.9|Acute myocardial infarction, unspecified
a|230690007|Cerebrovascular accident (disorder)|I63.9|Cerebral infarction, unspecified
c|193570009|Cataract (disorder)|H26.9|Unspecified cataract
c|23986001|Glaucoma (disorder)|H40.9|Unspecified glaucoma
c|87433001|Pulmonary emphysema (disorder)|J43.9|Emphysema, unspecified
c|56265001|Heart disease (disorder)|I51.9|Heart disease, unspecified
c|35489007|Depressive disorder (disorder)|F32.A|Depression, unspecified
c|48694002|Anxiety (finding)|F41.9|Anxiety disorder, unspecified
a|25064002|Headache (finding)|R51.9|Headache, unspecified
a|267036007|Dyspnea (finding)|R06.00|Dyspnea, unspecified
a|29857009|Chest pain (finding)|R07.9|Chest pain, unspecified
a|422587007|Nausea (finding)|R11.0|Nausea
a|161891005|Backache (finding)|M54.9|Dorsalgia, unspecified
a|386661006|Fever (finding)|R50.9|Fever, unspecified
a|49727002|Cough (finding)|R05.9|Cough, unspecified
s|160903007|Full-time employment (finding)|Z56.0|Unemployment, unspecified
s|160904001|Part-time employment (finding)|Z56.0|Unemployment, unspecified
s|73595000|Stress (finding)|Z73.3|Stress, not elsewhere classified
s|422650009|Social isolation (finding)|Z60.4|Social exclusion and rejection
s|423315002|Limited social contact (finding)|Z60.4|Social exclusion and rejection
s|224299000|Received higher education (finding)|Z55.8|Other problems related to education and literacy
s|741062008|Not in labor force (finding)|Z56.0|Unemployment, unspecified
s|706893006|Victim of intimate partner abuse (finding)|Z63.0|Problems in relationship with spouse or partner
""")

PROCEDURES = _table("""
73761001 Colonoscopy (procedure)
29303009 Electrocardiographic procedure (procedure)
80146002 Excision of appendix (procedure)
52765003 Intubation (procedure)
71651007 Mammography (procedure)
399208008 Plain chest X-ray (procedure)
40701008 Echocardiography (procedure)
76601001 Intramuscular injection (procedure)
265764009 Renal dialysis (procedure)
171207006 Depression screening (procedure)
710824005 Assessment of health and social care needs (procedure)
710841007 Assessment of anxiety (procedure)
23426006 Measurement of respiratory function (procedure)
74016001 Radiologic examination of knee (procedure)
5880005 Physical examination procedure (procedure)
113091000 Magnetic resonance imaging (procedure)
77477000 Computerized axial tomography (procedure)
16310003 Diagnostic ultrasonography (procedure)
180325003 Direct current cardioversion (procedure)
82078001 Collection of blood specimen for laboratory (procedure)
225358003 Wound care (regime/therapy)
182836005 Review of medication (procedure)
415070008 Percutaneous coronary intervention (procedure)
18286008 Catheter ablation of tissue of heart (procedure)
232717009 Coronary artery bypass grafting (procedure)
228557008 Cognitive and behavioral therapy (regime/therapy)
386053000 Evaluation procedure (procedure)
415300000 Review of systems (procedure)
122856003 Oral examination (procedure)
305351004 Admission to intensive care unit (procedure)
""")
"""What is done at an encounter."""

VISITS = _table("""
162673000 General examination of patient (procedure)
185349003 Encounter for check up (procedure)
390906007 Follow-up encounter (procedure)
185389009 Follow-up visit (procedure)
11429006 Consultation (procedure)
371883000 Outpatient procedure (procedure)
439740005 Postoperative follow-up visit (procedure)
185387006 New patient consultation (procedure)
185317003 Telephone encounter (procedure)
410620009 Well child visit (procedure)
424619006 Prenatal visit (regime/therapy)
""")
"""Reasons for an ambulatory encounter, the most frequent first."""

EMERGENCIES = _table("""
50849002 Emergency room admission (procedure)
183452005 Emergency hospital admission (procedure)
""")
"""Encounters of an emergency department."""

ADMISSIONS = _table("""
32485007 Hospital admission (procedure)
305351004 Admission to intensive care unit (procedure)
""")
"""Inpatient encounters."""

ALLERGIES = _table("""
91935009 Allergy to peanut (finding)
300916003 Allergy to latex (finding)
232350006 Allergy to dust mite protein (finding)
293586001 Allergy to aspirin (finding)
294505008 Allergy to amoxicillin (finding)
91936005 Allergy to penicillin (finding)
""")
"""Allergies other than to a drug."""

REACTIONS = _table("""
247472004 Weal (disorder)
271807003 Eruption of skin (disorder)
39579001 Anaphylaxis (disorder)
62315008 Diarrhea (finding)
267036007 Dyspnea (finding)
422587007 Nausea (finding)
126485001 Urticaria (disorder)
76067001 Sneezing (finding)
418290006 Itching (finding)
49727002 Cough (finding)
""")
"""Manifestations of an allergy."""

DEVICES = _table("""
2282003 Prosthetic breast implant (physical object)
72506001 Implantable defibrillator, device (physical object)
14106009 Cardiac pacemaker, device (physical object)
53350007 Prosthesis, device (physical object)
43252007 Cochlear prosthesis, device (physical object)
""")
"""Implantable devices."""

SMOKING = _table("""
266919005 Never smoked tobacco (finding)
8517006 Ex-smoker (finding)
449868002 Smokes tobacco daily (finding)
77176002 Smoker (finding)
""")
"""Tobacco smoking status."""

CARE = _table("""
711282006 Skin condition care (regime/therapy)
385691007 Fracture care (regime/therapy)
134435003 Routine antenatal care (regime/therapy)
225358003 Wound care (regime/therapy)
385763009 Hospice care (regime/therapy)
183051005 Recommendation to rest (procedure)
408580007 Physical activity target light exercise (finding)
409066002 Education, guidance and counseling (procedure)
424753004 Dietary management education, guidance, and counseling (procedure)
304507003 Exercise education (procedure)
228557008 Cognitive and behavioral therapy (regime/therapy)
226234005 Healthy diet (finding)
""")
"""Care plan categories and activities."""

BODY_SITES = _table("""
51185008 Thoracic structure (body structure)
72696002 Knee region structure (body structure)
51299004 Bone structure of clavicle (body structure)
""")
"""Where an image is taken."""

ROUTES = _table("""
26643006 Oral route (qualifier value)
78421000 Intramuscular route (qualifier value)
34206005 Subcutaneous route (qualifier value)
""")
"""How a drug is given."""
