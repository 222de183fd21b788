"""Word and letter lists that tell Persian from Arabic and its neighbours, and English from other languages.

Function words and the words that captions are made of. In the Arabic-script lists ي and ك are written as ی and ک, as
text is folded before it is looked up, so that Arabic typed with Persian letters is still found.
"""

from __future__ import annotations

PERSIAN = frozenset(
    """از به با در که را این آن یک است هست هستند نیست بود بودند باشد باشند شد شده شده‌است شوند شود کرده کند کنند
    دارد دارند داشته ندارد می نمی برای تا بر نیز هم یا اگر اما ولی چند چندین هر همه هیچ دیگر دیگری او آنها آن‌ها
    ایشان خود خودش دو سه چهار پنج شش هفت هشت نه ده روی رو کنار پشت جلو جلوی زیر بالا بالای پایین میان وسط درون داخل
    بیرون سمت راست چپ دور نزدیک زمینه پس‌زمینه پیش‌زمینه دیده احتمالا گویا شاید روشن تاریک سفید سیاه سرخ آبی سبز زرد
    قهوه‌ای خاکستری نارنجی بنفش صورتی مرد زن کودک دختر پسر نفر آسمان درخت خیابان میز دیوار بزرگ نشسته ایستاده خوابیده
    نشان یکی بسیار خیلی همراه هنگام تنها روبه‌روی مقابل ای ها های تر ترین آمده رفته گرفته نوشته دست سر رنگ بی""".split()
)

PERSIAN_ENDINGS = ("های", "هایی", "هایش", "‌ها", "‌ای", "‌اند", "‌است", "‌شان", "‌تر", "‌ترین", "‌تری", "ترین")
PERSIAN_LETTERS = frozenset("پچژگ")

ARABIC = frozenset(
    """فی علی الی إلی عن هذا هذه ذلک تلک هؤلاء التی الذی الذین مع هو هی هم کان کانت یکون تکون لا لم لن قد لقد
    ثم حیث عند عندما بین أو أن إن أنه أنها لکن کما أیضا أیضاً جدا جداً یوجد توجد تظهر یظهر یبدو تبدو یقف تقف یجلس
    تجلس یرتدی ترتدی یحمل تحمل یمسک تمسک یلعب تلعب یمشی تمشی یسیر تسیر یرکب ترکب ینظر تنظر یستلقی تستلقی یمکن رؤیة
    خلف أمام فوق تحت بجانب بجوار حول داخل خارج یمین یسار رجل رجال امرأة نساء طفل أطفال ولد بنت فتاة أشخاص شخص کلب
    قطة بنی أبیض بیضاء أسود سوداء أحمر حمراء أزرق زرقاء أخضر خضراء أصفر صفراء کبیر کبیرة صغیر صغیرة واحد اثنان اثنین
    ثلاثة أربعة لون شارع سیارة طاولة شجرة أشجار سماء صورة علیها علیه فیها فیه منها منه لها له بها به ومن وفی وعلی
    وهو وهی بعض کل غیر مما وقد""".split()
)
# Arabic words above that Persian shares; they say nothing where the choice is between the two.
SHARED = frozenset("هم لا بین داخل خارج تحت شخص اشخاص یسار کل غیر به عن".split())

# Persian words that begin as an Arabic word with its article does.
ARTICLE_LOOKALIKES = (
    "البته الگو الگوی الگوها الماس الان الهه الهی الهام الکل الکتر المپیک المان الیاف التماس الک الکس الف الاغ الوار "
    "التها الحاق الزام السا الصاق القا الب والد والیبال والا والس بالا بالش بالکن بالن بالغ بالین بالد باله بال‌ "
    "بالشت بالت بالر بالیوود"
).split()

# Letters of other languages in Arabic script, which Persian does not have.
OTHER_ARABIC_SCRIPT = {
    "Urdu": frozenset("ٹڈڑےہھںۂۓ"),
    "Kurdish": frozenset("ەۆێڕڵڤۊ"),
    "Pashto": frozenset("ښږړډټۍځڅڼګې"),
    "Uyghur": frozenset("ۇۈۋ"),
}
ARABIC_ONLY_LETTERS = "يىكةٱ"

ENGLISH = frozenset(
    """a an the this that these those there it its is are was were be been being am has have had do does of in on at
    to from by with without and or but not no as for into onto over under near next behind between beside beneath
    above below across along around against through two three four five several some many another other one his her
    their who which while where what both each all also only just very more most can could may might appears appear
    seems seem shows showing wearing holding standing sitting lying looking visible left right front""".split()
)

# Frequent words of languages that a model falls into; none of them is an English word.
OTHER_LATIN = {
    "French": "le les des une est dans sur avec et du au aux qui elle il sont pas très près devant derrière".split(),
    "German": "der das ein eine einem einen ist und auf mit sind im dem den vor hinter neben nicht sich".split(),
    "Spanish": "el los las una unos está están con y del hay que por muy sobre su en la de un".split(),
    "Portuguese": "uma um está com os da do na em ao não são há de que muito sobre".split(),
    "Italian": "il gli una di che sono è con della nel sulla lo un del alla molto".split(),
    "Dutch": "de het een met en van op zijn voor niet naast achter".split(),
    "Turkish": "bir ve ile için bu çok üzerinde olan var yanında".split(),
    "Persian in Latin letters": "yek ast dar az va ke hast rooye kenar ba barg mard zan sefid siah nafar".split(),
}

# What may stand in Latin letters in Persian text: units and signs usual in technical Persian.
UNITS = frozenset(
    "mm cm dm m km nm kg g mg lb oz ml l s ms min h km/h mph px dpi hz khz mhz ghz kb mb gb tb v w kw kwh °c °f x "
    "vs no am pm".split()
)
# Brands that are written small.
SMALL_NAMES = frozenset("adidas amazon facebook flickr google youtube lego ikea bmw nikon intel".split())
# Persian words after which text in Latin letters is quoted from the picture or is a name.
INTRODUCES_QUOTE = frozenset(
    """نوشته نوشتهٔ نوشته‌ی عبارت واژه واژهٔ واژه‌ی کلمه کلمهٔ کلمه‌ی متن حرف حروف لوگوی لوگو نشان برند نام نشانی
    آدرس عنوان شماره شمارهٔ پلاک شعار امضای""".split()
)
NAME_JOINTS = frozenset("of the and de la le van der von & del di du al el for in".split())
