"""Words by what they tell in a caption: numbers, attributes, verbs and function words. What is in no list is a thing.

Made by hand from what captions of photographs and figures say; English in small letters, Persian in its own letters.
"""

from __future__ import annotations

from rag_app.captioning.words import ENGLISH

NUMBERS = {
    "en": frozenset(
        """one two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty
        fifty hundred thousand dozen first second third pair couple half double""".split()
    ),
    "fa": frozenset(
        """دو سه چهار دوتا سه‌تا چهارتا پنج شش هفت هشت نه ده یازده دوازده بیست سی چهل پنجاه صد هزار اول دوم سوم
        جفت نیم""".split()
    ),
}
ATTRIBUTES = {
    "en": frozenset(
        """red blue green yellow orange purple pink brown black white gray grey gold golden silver beige tan
        dark light bright pale colorful colourful multicolored striped spotted plaid checkered patterned big
        small large little huge tiny tall short long wide narrow thick thin high low deep shallow giant
        massive round square rectangular circular oval flat curved straight pointed sharp wooden metal
        metallic plastic leather stone brick concrete ceramic paper woven knitted furry fluffy fuzzy hairy
        wet dry dirty clean shiny dull smooth rough rusty dusty muddy snowy icy sandy grassy rocky leafy
        wooded cloudy clear sunny rainy foggy misty old young new modern antique vintage ancient elderly
        adult empty full open closed broken cracked hot cold warm cool fresh ripe raw cooked fried baked
        sliced frozen steamed delicious happy sad tired sleepy busy crowded quiet calm nice beautiful pretty
        cute ugly lush burly bald blond blonde blurry blurred alone bare asleep awake polar chinese japanese
        asian american interior exterior torn alert double single double-decker upside-down outdoor indoor
        urban rural public professional various different several-coloured healthy heavy soft hard hollow
        sleek stuffed framed decorated dressed covered parked lit vibrant soft-lit well-lit steep slender
        lean fat slim neat messy cluttered tidy plain fancy elegant formal casual wild domestic tropical
        natural artificial electric digital transparent glossy matte opaque wavy curly wooly woolen distant
        nearby overcast barefoot shirtless upright sideways downhill uphill vertical horizontal diagonal""".split()
    ),
    "fa": frozenset(
        """سفید سیاه مشکی سرخ قرمز آبی سبز زرد نارنجی بنفش صورتی قهوه‌ای خاکستری طلایی نقره‌ای کرم تیره روشن
        رنگی رنگارنگ رنگین کم‌رنگ پررنگ راحت متصل شکاری دوست‌داشتنی راه‌راه خال‌خالی خال‌دار طرح‌دار
        چهارخانه بزرگ کوچک کوچولو الکتریکی مجاور بعدی قبلی زیاد بلند کوتاه دراز پهن باریک ضخیم نازک عریض
        عمیق عظیم غول‌پیکر گرد مربع مستطیل دایره‌ای بیضی صاف خمیده تیز چوبی فلزی پلاستیکی چرمی سنگی آجری
        بتنی شیشه‌ای سرامیکی کاغذی پارچه‌ای بافتنی پشمی پشمالو خیس خشک کثیف تمیز براق مات زبر نرم سفت
        زنگ‌زده گل‌آلود برفی یخ‌زده شنی ماسه‌ای صخره‌ای ابری آفتابی بارانی مه‌آلود پیر جوان سالخورده قدیمی
        کهنه نو جدید مدرن باستانی خالی پر باز بسته شکسته داغ سرد گرم خنک تازه رسیده پخته سرخ‌شده خوشحال شاد
        غمگین خسته شلوغ خلوت آرام زیبا قشنگ زشت طاس تنها وارونه ایستا عمومی شهری روستایی گوناگون مختلف
        متفاوت سنگین سبک تزئین‌شده پارک‌شده خوشمزه پهناور انبوه سرسبز چمنی مجلل ساده رسمی وحشی اهلی طبیعی
        مصنوعی برقی شفاف موج‌دار فرفری عمودی افقی مرتب نامرتب""".split()
    ),
}
FUNCTION = {
    "en": ENGLISH
    | frozenset(
        """he she they them him you your we our us i my me what why how when any no none every much many more
        less few such same own so too then than there here out off up down again back away together around
        inside outside within toward towards upon among amongst onto per via like about while during before
        after until since because if whether although though however also still even ever never always
        sometimes often perhaps maybe possibly probably likely apparently really quite rather almost nearly
        only just as well s t don doesn isn aren wasn't isn't don't it's that's there's he's she's they're
        let next close lot lots bunch kind sort type front top bottom side middle center centre left right
        others else something someone anything nothing everything everyone itself himself herself themselves
        whose whom got ready able due shown""".split()
    ),
    "fa": frozenset(
        """از به با در که را رو یه تو توی واسه این آن یک یکی برای تا بر نیز هم همه هر هیچ یا اگر اما ولی چند
        چندین چندتا دیگر دیگری او آنها آن‌ها آنان ایشان ما شما من خود خودش خودشان روی کنار پشت جلو جلوی زیر
        بالا بالای پایین میان وسط بین درون داخل بیرون خارج سمت طرف راست چپ دور نزدیک نزدیکی مقابل روبه‌روی
        روبروی پیش پس هنگام هنگامی حین درحال حال همراه همچون یکدیگر همدیگر منتظر مشغول دارای مانند مثل بدون
        بی ها های ای تر ترین می نمی ی بسیار خیلی کمی کاملا کاملاً تقریبا تقریباً احتمالا احتمالاً شاید گویا
        انگار فقط تنها همین همان چنین وقتی جایی چیزی کسی اینجا آنجا سپس بعد قبل هنوز دوباره اکنون چون زیرا
        پر حدود اطراف سراسر بعضی برخی تعدادی مقداری مقدار تعداد نوع نوعی دسته‌ای یعنی و""".split()
    ),
}
VERBS_EN = frozenset(
    """sit sits sat stand stands stood lie lies lay lays laid hold holds held ride rides rode ridden walk
        walks run runs ran look looks watch watches wear wears wore eat eats ate eaten drink drinks drank
        play plays jump jumps fly flies flew flown take takes took taken make makes made put puts get gets
        go goes went gone come comes came give gives gave given show shows use uses try tries reach reaches
        pose poses smile smiles talk talks throw throws threw thrown catch catches caught hit hits swing
        swings swung pull pulls push pushes carry carries cut cuts lean leans rest rests sleep sleeps slept
        wait waits stare stares face faces fill fills cover covers surround surrounds contain contains
        include includes display displays feature features see sees seen read reads cross crosses drive
        drives drove driven travel travels move moves hang hangs hung set sets prepare prepares feed feeds
        fed graze grazes perform performs keep keeps kept leave leaves left sail sails climb climbs dry
        dries let lets begin begins became become becomes grow grows grew grown rise rises rose fall falls
        fell stop stops turn turns enjoy enjoys work works attempt attempts point points appear appears seem
        seems say says said depict depicts line lines overlook overlooks approach approaches pass passes
        bend bends bent blow blows blew shine shines shone spread spreads stretch stretches suggest suggests
        add adds create creates reflect reflects connect connects have has had been being""".split()
) - frozenset(
    ("face", "line", "lines", "drink", "drinks", "display", "point", "leaves", "cross", "turn", "stop", "rose")
)
NOUNS_ING = frozenset(
    """building buildings ceiling ceilings clothing painting paintings string strings ring rings king wing
        wings evening morning railing railings awning bedding lighting crossing wedding icing topping
        toppings frosting thing things spring landing opening dressing filling pudding dining parking
        serving siding setting living swing skiing surfing seating flooring stuffing sling drawing drawings
        writing earring earrings""".split()
)
NOUNS_ED = frozenset(
    "bed beds shed sheds sled sleds seed seeds weed weeds reed steed feed speed hundred head bread".split()
)
VERBS_FA = frozenset(
    """است هست هستند نیست نیستند بود بودند باشد باشند شد شدند شده شده‌است شده‌اند شود شوند کرد کردند کرده
        کند کنند کرده‌اند کرده‌است دارد دارند داشت داشتند داشته ندارد ندارند داده دادند داد دهد دهند گرفته
        گرفت گرفتند گیرد آمده آمد آید رفته رفت رفتند رود نشسته نشسته‌اند نشسته‌است نشست ایستاده ایستاده‌اند
        ایستاده‌است ایستاد خوابیده خوابیده‌است دراز‌کشیده کشیده پوشیده پوشیده‌است گذاشته گذاشته‌شده نگه
        خورده خورد خورند دیده دید ساخته ریخته آویزان پریده پرید انداخته برده زده زد داره دارن میکنه میشه
        میره میخوره گرفتن شدن وایساده نشستن پوشانده سوار زند زنند نهاده چیده قرار گرفته‌است گرفته‌اند توان
        تواند خواهد باید شاید کردن بودن رفتن خوردن دادن ایستادن پریدن راندن داشتن زدن کشیدن گذاشتن نشان پر
        وجود""".split()
)
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth",
    "mice": "mouse", "geese": "goose", "knives": "knife", "leaves": "leaf", "shelves": "shelf", "wolves": "wolf",
    "calves": "calf", "loaves": "loaf", "potatoes": "potato", "tomatoes": "tomato", "buses": "bus", "skis": "ski",
    "مردان": "مرد", "زنان": "زن", "کودکان": "کودک", "دختران": "دختر", "پسران": "پسر", "بازیکنان": "بازیکن",
    "درختان": "درخت", "حیوانات": "حیوان", "بچه‌ها": "بچه",
}  # fmt: skip
