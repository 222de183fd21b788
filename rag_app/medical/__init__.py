"""Medical images: a dataset made ready, questions on an image answered, a diagnosis measured; for study only."""

DISCLAIMER = {
    "en": "For study and research. Not for the diagnosis or treatment of patients.",
    "fa": "فقط برای مطالعه و پژوهش؛ نه برای تشخیص یا درمان بیماران.",
}
