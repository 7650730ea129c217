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
