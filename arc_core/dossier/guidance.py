"""Which guidance a field or a document follows, and in which version. Names change; these are what was read.

Since 2 February 2026 the QMSR calls the design history file the design and development file.
"""

AI_DRAFT = "FDA AI-DSF draft, Jan 2025"
PCCP = "FDA PCCP final, Aug 2025"
QMSR = "QMSR, 2 Feb 2026"
PART11 = "21 CFR 11.10"
GMLP = "IMDRF N88, 2025"
CLAIM = "CLAIM 2024"
STARD = "STARD-AI 2025"
TRIPOD = "TRIPOD+AI 2024"
ISO14971 = "ISO 14971"

TITLES = {
    AI_DRAFT: "FDA, Artificial Intelligence-Enabled Device Software Functions: Lifecycle Management and "
    "Marketing Submission Recommendations, draft guidance, January 2025",
    PCCP: "FDA, Marketing Submission Recommendations for a Predetermined Change Control Plan for Artificial "
    "Intelligence-Enabled Device Software Functions, final guidance, as of August 2025",
    QMSR: "FDA, Quality Management System Regulation, 21 CFR 820, in force since 2 February 2026",
    PART11: "21 CFR 11.10, Controls for closed systems",
    GMLP: "IMDRF/AIML WG/N88 FINAL:2025, Good machine learning practice for medical device development: "
    "Guiding principles",
    CLAIM: "Checklist for Artificial Intelligence in Medical Imaging, 2024 update",
    STARD: "Standards for Reporting Diagnostic Accuracy, artificial intelligence, 2025",
    TRIPOD: "Transparent Reporting of a Multivariable Prediction Model, artificial intelligence, 2024",
    ISO14971: "ISO 14971, Application of risk management to medical devices",
}

NAMES = (
    (
        "the whole folder",
        "contribution to the design and development file (formerly design history file)",
        QMSR,
    ),
    ("gap_report", "what is NOT PROVIDED", AI_DRAFT),
    ("model_card", "model card, Appendix E", AI_DRAFT),
    ("datasheet", "data management: collection, characterisation", AI_DRAFT),
    ("reference_standard", "data management: reference standard", AI_DRAFT),
    ("leakage_report", "data partitions, items 19 and 20", CLAIM),
    ("split_manifest.csv", "data partitions, items 19 and 20", CLAIM),
    ("testset_access_log.csv", "independence of the test data", AI_DRAFT),
    ("model_description", "model description and development", AI_DRAFT),
    ("development_report", "model description and development", AI_DRAFT),
    ("experiments.csv", "model description and development", AI_DRAFT),
    ("trainings.csv", "model description and development", AI_DRAFT),
    ("sap.lock.json", "validation: analysis plan", AI_DRAFT),
    ("validation_report", "validation; internal and external testing in CLAIM's terms", AI_DRAFT),
    ("deviations.csv", "validation: deviations", AI_DRAFT),
    ("hazard_candidates.csv", "input to risk analysis", ISO14971),
    ("pccp_draft", "predetermined change control plan, a draft", PCCP),
    ("gmlp_map.csv", "guiding principles", GMLP),
    ("part11_map.csv", "controls for closed systems", PART11),
    ("claim2024.csv", "checklist", CLAIM),
    ("stard_ai.csv", "checklist", STARD),
    ("tripod_ai.csv", "checklist", TRIPOD),
)
"""A document → what the guidance calls it, and in which version it does."""
