"""Captions as models give them: what is asked for, the text, and whether it may be kept in that language."""

from __future__ import annotations

from typing import NamedTuple

from rag_app.captioning.language import Language


class Text(NamedTuple):
    """A text, the language it was asked for in, and whether it really is in that language."""

    language: Language
    good: bool
    text: str


GOOD_PERSIAN = (
    "خرس قهوه‌ای بزرگی روی علف‌ها نشسته است.",
    "دو کتاب روی میز چوبی",
    "مردی سوار بر دوچرخه در خیابان",
    "گربهٔ خاکستری روی مبل خوابیده است و چشم‌هایش بسته است.",
    "سه کودک در پارک با توپ قرمزی بازی می‌کنند.",
    "زنی با پیراهن آبی کنار پنجره ایستاده و به بیرون نگاه می‌کند.",
    "اتوبوس قرمز دوطبقه‌ای در ایستگاه ایستاده است؛ روی آن نوشتهٔ «LONDON TRANSPORT» دیده می‌شود.",
    "تابلوی ایست سرخ‌رنگی با نوشتهٔ «STOP» کنار جاده.",
    "روی صفحهٔ لپ‌تاپ نشان Apple دیده می‌شود و کنار آن یک گوشی Samsung Galaxy قرار دارد.",
    "فاصلهٔ میان دو ستون حدود ۵۰ cm و ارتفاع هر کدام تقریباً 3 m است.",
    "نمودار دمای هوا را بر حسب °C در برابر زمان نشان می‌دهد.",
    "البته روشن نیست که الگوی روی فرش گل است یا برگ؛ احتمالاً گل است.",
    "علی و الهام در بالکن نشسته‌اند و چای می‌نوشند.",
    "یک بشقاب پاستا با سس گوجه‌فرنگی و برگ ریحان روی میزی سفید.",
    "موتورسیکلت سیاهی کنار دیوار آجری پارک شده است. چرخ جلوی آن به سمت چپ چرخیده و کلاه ایمنی روی زین است.",
    "در پس‌زمینه کوه‌های برفی دیده می‌شود و آسمان صاف و آبی است.",
    "چهار قایق ماهیگیری در ساحل لنگر انداخته‌اند.",
    "نور ملایم غروب از سمت راست می‌تابد و حال‌وهوای صحنه آرام است.",
    "صفحه‌ای از قرآن با خط نسخ که در آن نوشته شده است «بسم الله الرحمن الرحیم».",
    "تابلویی به زبان عربی با نوشتهٔ «ممنوع الوقوف أمام الباب» بالای در نصب شده است.",
    "والدین کودک پشت سر او ایستاده‌اند و المپیک از تلویزیون پخش می‌شود.",
    "هواپیمای مسافربری Boeing 747 روی باند فرودگاه است.",
    "پسری با تی‌شرت Adidas و شلوار جین، توپ بسکتبال در دست دارد.",
    "نشانی www.example.com پایین پوستر آمده است.",
    "ظرفی پر از میوه: سیب، پرتقال، موز و انگور.",
    "تصویر کمی تار است و چهرهٔ فرد سمت چپ به‌روشنی دیده نمی‌شود، اما شاید لبخند می‌زند.",
    "ساختمان Museum of Modern Art با نمای شیشه‌ای در مرکز تصویر قرار دارد.",
    "پرچم ایران و حرف A روی دیوار",
    "کتاب «The Old Man and the Sea» کنار فنجان قهوه است.",
    "کشتی بادبانی سفیدی در دوردست روی دریای آرام.",
    "گاوها در چراگاه سبز می‌چرند و یکی از آنها به دوربین نگاه می‌کند.",
)

NOT_PERSIAN = (
    # Arabic, with its own letters
    "كلب بني كبير يجلس على العشب الأخضر.",
    "رجل يركب دراجة في الشارع",
    "تظهر في الصورة امرأة ترتدي فستانا أزرق وتقف بجانب النافذة.",
    "هناك ثلاثة أطفال يلعبون بالكرة في الحديقة.",
    "قطة رمادية نائمة على الأريكة",
    "حافلة حمراء ذات طابقين متوقفة في المحطة وخلفها مبنى كبير.",
    "السماء زرقاء صافية والجبال مغطاة بالثلج.",
    "طبق من المعكرونة مع صلصة الطماطم على طاولة بيضاء",
    "خيول تركض بسرعة",
    "أطفال يلعبون في نافورة",
    # Arabic typed with Persian letters
    "طفل وطفلة یبتسمان للکامیرا",
    "مجموعة من الناس یتسلقون صخرة",
    "کلب بنی کبیر یجلس علی العشب الأخضر.",
    "رجل یرکب دراجة فی الشارع",
    "تظهر فی الصورة امرأة ترتدی فستانا أزرق وتقف بجانب النافذة.",
    "السیارة الحمراء متوقفة أمام المبنی القدیم.",
    # Persian and Arabic mixed
    "مردی در خیابان ایستاده است. الرجل يرتدي قميصا أبيض ويحمل حقيبة سوداء.",
    "گربه روی مبل خوابیده است. القطة نائمة على الأريكة في غرفة المعيشة.",
    # Persian words with Arabic letters
    "مردي سوار بر دوچرخه در خيابان است.",
    "يك كتاب قديمي روي ميز است.",
    # English in place of Persian, or left in it
    "A large brown bear is sitting on the grass.",
    "یک couch قهوه‌ای در وسط اتاق قرار دارد.",
    "زنی کنار window ایستاده و به بیرون نگاه می‌کند.",
    "سه کودک در پارک بازی می‌کنند. The weather is sunny and the sky is clear.",
    "The image shows مردی که روی نیمکت نشسته است.",
    "در تصویر a مرد دیده می‌شود.",
    "یک dog سیاه و یک cat سفید روی فرش نشسته‌اند.",
    "هوا cloudy است و درختان در background دیده می‌شوند.",
    "در تصویر یک مرد با a red jacket and blue jeans دیده می‌شود.",
    "«A man rides a bicycle down the street.»",
    # other scripts leaking in
    "مردی روی صندلی 坐着 و کتاب می‌خواند.",
    "زنی با пальто قرمز در خیابان راه می‌رود.",
    "سگی در باغ می‌دود。背景是一座房子。",
    # neighbours in the same script
    "ایک آدمی سڑک پر سائیکل چلا رہا ہے۔",
    "ایک بڑا بھورا ریچھ گھاس پر بیٹھا ہوا ہے۔",
    "پیاوێک لە شەقامەکەدا سواری پاسکیل بووە.",
    "یو سړی په سړک کې پر بایسکل سپور دی.",
    # Persian in Latin letters, nothing at all, signs
    "yek sag siah dar bagh midavad",
    "",
    "۱۲۳ !!!",
    "!!! ... ؟؟؟",
)

GOOD_ENGLISH = (
    "A large brown bear is sitting on the grass.",
    "Red car parked beside brick wall",
    "Two books on a wooden table",
    "A black dog.",
    "A woman in a blue shirt stands at the window and looks out.",
    "A double-decker bus with the words “LONDON TRANSPORT” waits at a stop.",
    "A café terrace with three empty chairs; the menu says “Crêpes au sucre”.",
    "A sign in Persian reads «خروج اضطراری» above the door.",
    "The chart plots temperature in °C against time in µs.",
    'A stop sign with Arabic text “قف” below the English word "STOP".',
    "It is not clear whether the man on the left is smiling.",
    "A plate of pasta with tomato sauce, basil and Parmigiano Reggiano.",
    "Frida Kahlo's self-portrait hangs between two windows.",
    "Several sailing boats lie at anchor off Saint-Malo in the evening light.",
    "Children's toys, boys' shoes and a dog's lead lie on the floor.",
)

NOT_ENGLISH = (
    "Un perro negro corre por el jardín.",
    "Ein brauner Hund sitzt auf der Wiese und schaut in die Kamera.",
    "Un chien noir court dans le jardin.",
    "Bir adam sokakta bisiklet sürüyor.",
    "Un uomo in bicicletta nella strada con una borsa rossa.",
    "Um cachorro preto está correndo no jardim.",
    "Een zwarte hond rent door de tuin.",
    "yek mard ba docharkhe dar khiaban ast",
    "مردی سوار بر دوچرخه در خیابان",
    "رجل يركب دراجة في الشارع",
    "A man is riding a دوچرخه in the street.",
    "A dog sits on the 草地 next to a tree.",
    "A man in the street. Il porte un manteau noir et un chapeau.",
    "A woman at the window. زنی کنار پنجره ایستاده است.",
    "“Un perro negro”",
    "",
    "12345 --- 67",
)

TEXTS = (
    *(Text("fa", True, text) for text in GOOD_PERSIAN),
    *(Text("fa", False, text) for text in NOT_PERSIAN),
    *(Text("en", True, text) for text in GOOD_ENGLISH),
    *(Text("en", False, text) for text in NOT_ENGLISH),
)
