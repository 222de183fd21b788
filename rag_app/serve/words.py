"""The words of the page around answers and hits, in English and Persian."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag_app.render.hit_words import HIT_WORDS, HitWords

NAMES = {"en": "English", "fa": "فارسی"}


@dataclass(frozen=True, slots=True)
class PageWords:
    """One language's words; English unless given. {n}, {of}, {name} are filled in by `PageWords.filled`."""

    language: str = "en"
    direction: str = "ltr"
    hits: HitWords = field(default_factory=lambda: HIT_WORDS["en"])
    skip: str = "Skip to the content"
    sections: str = "Sections"
    ask: str = "Ask"
    papers: str = "Papers"
    figures: str = "Figures"
    search: str = "Search"
    models: str = "Models"
    evaluations: str = "Evaluations"
    # asking
    your_question: str = "Your question"
    ask_hint: str = "Ask your papers"
    ask_intro: str = "Answers come from your papers alone, each sentence with the place it stands on."
    no_papers: str = "The library is empty. Add papers first."
    add_papers: str = "Add papers"
    stop: str = "Stop"
    stopped: str = "Stopped. Nothing of it was kept."
    searching: str = "Looking through the papers …"
    drafting: str = "A draft, not checked yet:"
    asked_as: str = "Asked as:"
    narrow: str = "Answer from"
    all_papers: str = "all papers"
    some_papers: str = "chosen papers: {n}"
    kinds_of_evidence: str = "Kinds of evidence"
    answer_language: str = "Answer in"
    questions_own: str = "the question's language"
    save_as: str = "Save as"
    web_page: str = "web page"
    new_conversation: str = "New conversation"
    about_picture: str = "Ask about a picture"
    choose_picture: str = "Choose a picture, drop it on the question or paste it there:"
    no_eyes: str = "The builtin models cannot say what a picture shows. Choose a vision model first:"
    unchecked: str = "The vision model says what it sees; nothing of it is checked against the papers."
    looking: str = "Looking at the picture …"
    cited_page: str = "Cited page"
    click_a_number: str = "Choose a number in an answer, and the place in the paper it comes from stands here."
    # papers
    library: str = "Library"
    choose_files: str = "Choose PDFs or pictures, or drop them here"
    up_to: str = "Up to {n} MiB at once"
    add: str = "Add"
    pages: str = "Pages"
    counted: dict[str, tuple[str, str]] = field(
        default_factory=lambda: {
            "text": ("{n} passage", "{n} passages"),
            "figure": ("{n} figure", "{n} figures"),
            "table": ("{n} table", "{n} tables"),
            "formula": ("{n} formula", "{n} formulas"),
            "page": ("{n} page", "{n} pages"),
        }
    )
    remove: str = "Remove"
    really_remove: str = "Remove {name} from the library? Your own file stays where it is."
    problems: str = "Problems while reading: {n}"
    work: str = "Work in hand"
    states: dict[str, str] = field(
        default_factory=lambda: {
            "waiting": "waiting",
            "running": "running",
            "done": "done",
            "failed": "failed",
            "stopped": "stopped",
        }
    )
    units: dict[str, str] = field(default_factory=lambda: {"pages": "pages", "captions": "captions"})
    is_read: str = "{name} is read, {pages}"
    is_known: str = "{name} is in the library already"
    refresh: str = "Refresh"
    read_only: str = "This library cannot be written here, so nothing can be added or changed."
    # one page of a paper
    page_of: str = "Page {n} of {of}"
    previous: str = "Previous page"
    next: str = "Next page"
    larger: str = "Larger"
    smaller: str = "Smaller"
    fit: str = "Fit the width"
    keys: str = "Keys: ← → turn the page, + − 0 change its size"
    to_answer: str = "Back to the answer"
    to_papers: str = "All papers"
    cited_here: str = "Cited on this page"
    found_here: str = "Found on this page"
    go_to_page: str = "Go to page"
    # search
    search_for: str = "Search for"
    in_pictures: str = "figures"
    in_passages: str = "text and tables"
    with_picture: str = "Search with a picture: choose it, drop it here or paste it"
    search_intro: str = "Find figures by what they show, by a picture like them, or by both; or find passages by words."
    # figures
    no_figures: str = "There are no figures yet."
    by_model: str = "by"
    no_caption: str = "no caption"
    caption_it: str = "Caption this picture"
    languages: str = "Languages"
    no_vision: str = "To caption pictures, choose a vision model first:"
    is_captioned: str = "{name}: captions stored: {n}"
    earlier: str = "Earlier"
    later: str = "Later"
    all_of_them: str = "All papers"
    show: str = "Show"
    # models
    roles: dict[str, str] = field(
        default_factory=lambda: {
            "answer": "Writes the answers",
            "vision": "Looks at pictures: reads figures, writes captions",
            "text_embedding": "Turns text into vectors for search",
            "image_embedding": "Turns pictures into vectors for search",
        }
    )
    use: str = "Use"
    in_use: str = "In use:"
    until_end: str = "A choice holds until the program ends. To keep it, set it in settings.toml."
    needs_anew: str = "Another model needs every vector anew: set it in settings.toml, then run"
    installed: str = "Installed in Ollama"
    none_installed: str = "Ollama has no model yet. Get one: rag-app models pull NAME"
    builtin_always: str = "The builtin models are always there."
    other_name: str = "Or another name"
    # evaluations
    no_evaluations: str = "There is no evaluation yet. Make one:"
    no_report: str = "This run has no report yet."
    make_report: str = "Make the report"
    report: str = "Report"
    open_report: str = "Open the report"
    # errors
    wrong: str = "That did not work"
    not_here: str = "There is nothing here"
    go_home: str = "To the start page"

    def count(self, kind: str, number: int) -> str:
        """ "6 figures"."""
        one, many = self.counted[kind]
        return (one if number == 1 else many).format(n=self.hits.common.digits(number))

    def filled(self, words: str, /, **values: object) -> str:
        """`words`, a field of these words, with these values, numbers in this language's digits."""
        digits = self.hits.common.digits
        shown = {key: digits(value) if isinstance(value, int) else value for key, value in values.items()}
        return str(getattr(self, words)).format(**shown)


PAGE_WORDS = {
    "en": PageWords(),
    "fa": PageWords(
        language="fa",
        direction="rtl",
        hits=HIT_WORDS["fa"],
        skip="پرش به محتوا",
        sections="بخش‌ها",
        ask="پرسش",
        papers="مقاله‌ها",
        figures="شکل‌ها",
        search="جست‌وجو",
        models="مدل‌ها",
        evaluations="ارزیابی‌ها",
        your_question="پرسش شما",
        ask_hint="از مقاله‌هایتان بپرسید",
        ask_intro="پاسخ‌ها تنها از مقاله‌های خودتان می‌آیند و جای هر جمله در مقاله نشان داده می‌شود.",
        no_papers="کتابخانه خالی است. نخست مقاله بیفزایید.",
        add_papers="افزودن مقاله",
        stop="توقف",
        stopped="متوقف شد و چیزی از آن نگه داشته نشد.",
        searching="در حال جست‌وجو در مقاله‌ها …",
        drafting="پیش‌نویس؛ هنوز بررسی نشده است:",
        asked_as="پرسیده شد:",
        narrow="پاسخ از",
        all_papers="همهٔ مقاله‌ها",
        some_papers="{n} مقاله",
        kinds_of_evidence="نوع شواهد",
        answer_language="زبان پاسخ",
        questions_own="زبان پرسش",
        save_as="ذخیره به‌صورت",
        web_page="صفحهٔ وب",
        new_conversation="گفت‌وگوی تازه",
        about_picture="پرسش دربارهٔ تصویر",
        choose_picture="تصویری را انتخاب کنید، روی پرسش رها کنید یا در آن بچسبانید:",
        no_eyes="مدل‌های builtin نمی‌توانند بگویند تصویر چه نشان می‌دهد. نخست یک مدل بینایی انتخاب کنید:",
        unchecked="مدل بینایی آنچه را می‌بیند می‌گوید و هیچ بخشی از آن با مقاله‌ها سنجیده نمی‌شود.",
        looking="در حال نگاه‌کردن به تصویر …",
        cited_page="صفحهٔ ارجاع‌شده",
        click_a_number="شماره‌ای را در پاسخ انتخاب کنید تا جای آن در مقاله اینجا نشان داده شود.",
        library="کتابخانه",
        choose_files="فایل‌های PDF یا تصویر را انتخاب کنید یا اینجا رها کنید",
        up_to="هر بار تا {n} مبی‌بایت",
        add="افزودن",
        pages="صفحه‌ها",
        counted={
            "text": ("{n} بخش متن", "{n} بخش متن"),
            "figure": ("{n} شکل", "{n} شکل"),
            "table": ("{n} جدول", "{n} جدول"),
            "formula": ("{n} فرمول", "{n} فرمول"),
            "page": ("{n} صفحه", "{n} صفحه"),
        },
        remove="حذف",
        really_remove="{name} از کتابخانه حذف شود؟ فایل خودتان سر جایش می‌ماند.",
        problems="{n} مشکل هنگام خواندن",
        work="کارهای در جریان",
        states={
            "waiting": "در صف",
            "running": "در حال انجام",
            "done": "انجام شد",
            "failed": "ناموفق",
            "stopped": "متوقف شد",
        },
        units={"pages": "صفحه", "captions": "شرح"},
        is_read="{name} خوانده شد، {pages}",
        is_known="{name} از پیش در کتابخانه است",
        refresh="تازه‌سازی",
        read_only="این کتابخانه نوشتنی نیست؛ چیزی را نمی‌توان افزود یا تغییر داد.",
        page_of="صفحهٔ {n} از {of}",
        previous="صفحهٔ پیش",
        next="صفحهٔ بعد",
        larger="بزرگ‌تر",
        smaller="کوچک‌تر",
        fit="هم‌اندازهٔ پهنا",
        keys="کلیدها: ← → ورق‌زدن، + − 0 تغییر اندازه",
        to_answer="بازگشت به پاسخ",
        to_papers="همهٔ مقاله‌ها",
        cited_here="ارجاع‌های این صفحه",
        found_here="یافته‌های این صفحه",
        go_to_page="رفتن به صفحهٔ",
        search_for="جست‌وجوی",
        in_pictures="شکل‌ها",
        in_passages="متن و جدول‌ها",
        with_picture="جست‌وجو با تصویر: آن را انتخاب کنید، اینجا رها کنید یا بچسبانید",
        search_intro="شکل‌ها را با شرح محتوایشان، با تصویری مانند آنها یا با هر دو بیابید؛ یا بخش‌های متن را با واژه‌ها.",
        no_figures="هنوز شکلی در کتابخانه نیست.",
        by_model="از",
        no_caption="بدون شرح",
        caption_it="نوشتن شرح برای این تصویر",
        languages="زبان‌ها",
        no_vision="برای نوشتن شرح تصویر، نخست یک مدل بینایی انتخاب کنید:",
        is_captioned="{name}: {n} شرح ذخیره شد",
        earlier="پیشین",
        later="بعدی",
        all_of_them="همهٔ مقاله‌ها",
        show="نمایش",
        roles={
            "answer": "پاسخ‌ها را می‌نویسد",
            "vision": "تصویرها را می‌بیند: شکل‌ها را می‌خواند و شرح می‌نویسد",
            "text_embedding": "متن را برای جست‌وجو به بردار تبدیل می‌کند",
            "image_embedding": "تصویر را برای جست‌وجو به بردار تبدیل می‌کند",
        },
        use="استفاده",
        in_use="در حال استفاده:",
        until_end="این انتخاب تا پایان اجرای برنامه برقرار است. برای ماندگارشدن، آن را در settings.toml بنویسید.",
        needs_anew="مدل دیگر به بردارهای تازه نیاز دارد: آن را در settings.toml بنویسید و سپس اجرا کنید:",
        installed="نصب‌شده در Ollama",
        none_installed="هنوز مدلی در Ollama نیست. یکی بگیرید: rag-app models pull NAME",
        builtin_always="مدل‌های builtin همیشه در دسترس‌اند.",
        other_name="یا نامی دیگر",
        no_evaluations="هنوز ارزیابی‌ای انجام نشده است. یکی انجام دهید:",
        no_report="این اجرا هنوز گزارشی ندارد.",
        make_report="ساختن گزارش",
        report="گزارش",
        open_report="بازکردن گزارش",
        wrong="انجام نشد",
        not_here="اینجا چیزی نیست",
        go_home="به صفحهٔ آغاز",
    ),
}
