"""What scripted models reply when captions are asked of them: good ones, and each kind of bad one."""

from __future__ import annotations

import json

from rag_app.captioning.prompts import caption_prompt

ENGLISH = (
    "A brown dog sits on green grass beside a red wooden bench in a sunny park.",
    "A medium-sized brown dog sits on short green grass in the middle of the picture. To its left stands a "
    "red wooden bench with four slats, partly in the shade of a tree. The dog wears a blue collar with a "
    "small metal tag and looks towards the camera with its mouth open. Behind it a gravel path runs from the "
    'left edge to a white gate. A sign on the gate reads "Please close". Two bicycles lean against the fence '
    "in the background, and one of them has a basket. The light is soft and comes from the right, probably "
    "late in the afternoon. It is not clear whether anyone is sitting in the shade behind the tree.",
)
PERSIAN = (
    "سگ قهوه‌ای متوسطی در پارکی آفتابی روی چمن سبز، کنار نیمکت چوبی سرخ‌رنگی نشسته است.",
    "سگی قهوه‌ای با جثهٔ متوسط در وسط تصویر روی چمن کوتاه و سبز نشسته است. در سمت چپ آن نیمکتی چوبی به رنگ سرخ با "
    "چهار تخته قرار دارد که بخشی از آن در سایهٔ درخت است. سگ قلاده‌ای آبی با پلاکی فلزی دارد و با دهان باز به دوربین "
    "نگاه می‌کند. پشت سر آن راهی شنی از لبهٔ چپ تصویر تا دروازه‌ای سفید کشیده شده است. روی تابلوی دروازه نوشتهٔ «Please "
    "close» دیده می‌شود. در پس‌زمینه دو دوچرخه به نرده تکیه داده‌اند و یکی از آن‌ها سبد دارد. نور ملایم است و از سمت "
    "راست می‌تابد و احتمالاً نزدیک غروب است. روشن نیست که کسی در سایهٔ پشت درخت نشسته باشد.",
)
ARABIC = (
    "كلب بني متوسط الحجم يجلس على العشب الأخضر بجانب مقعد خشبي أحمر في حديقة مشمسة.",
    "يجلس كلب بني متوسط الحجم على العشب القصير في وسط الصورة. على يساره مقعد خشبي أحمر له أربعة ألواح ويقع "
    "جزء منه في ظل شجرة. يرتدي الكلب طوقا أزرق مع قطعة معدنية صغيرة وينظر نحو الكاميرا وفمه مفتوح. خلفه طريق "
    "من الحصى يمتد من الحافة اليسرى إلى بوابة بيضاء. في الخلفية دراجتان تستندان إلى السياج. الضوء ناعم ويأتي "
    "من اليمين وربما يكون الوقت قبل الغروب.",
)
LEFTOVERS = (
    "سگ قهوه‌ای روی grass کنار یک bench سرخ نشسته است.",
    PERSIAN[1].replace("نیمکتی چوبی", "یک wooden bench").replace("نور ملایم", "نور soft"),
)
LOOP = (ENGLISH[0], "The dog is brown and it sits on the grass. " * 14)
PERSIAN_LOOP = (PERSIAN[0], "سگ روی چمن نشسته است و به دوربین نگاه می‌کند. " * 12)
REFUSAL = (
    "I'm sorry, but I cannot view this image and so I am unable to caption it for you.",
    "I'm sorry, but I cannot view images directly. If you describe the picture to me in words, I can write a caption. "
    "The caption would be based on what you tell me about it. It could have the subjects and their colours. It could "
    "also name the setting and the light. Please tell me what the picture shows, and I will write it for you.",
)
PERSIAN_REFUSAL = (
    "متأسفم، نمی‌توانم این تصویر را ببینم و شرحی برای آن بنویسم.",
    "متأسفانه من نمی‌توانم تصویر را مشاهده کنم. به عنوان یک مدل زبانی فقط با متن کار می‌کنم. اگر تصویر را با کلمات "
    "برایم توصیف کنید، می‌توانم شرحی بنویسم. در آن شرح از رنگ‌ها و جای چیزها خواهم گفت. همچنین از نور و حال‌وهوای صحنه "
    "می‌نویسم. لطفاً بگویید چه چیزی در تصویر دیده می‌شود تا شروع کنم.",
)
COPY = (ENGLISH[0], f"{ENGLISH[1]} {caption_prompt('en').splitlines()[2]}")
BRIEF = (ENGLISH[0], "A brown dog sits on the grass. It looks at the camera.")
CUT = (ENGLISH[0], ENGLISH[1][:-12])
OLD_LETTERS = (PERSIAN[0].replace("ی", "ي").replace("ک", "ك"), PERSIAN[1].replace("ی", "ي").replace("ک", "ك"))


def reply(pair: tuple[str, str]) -> str:
    """The pair as the JSON that is asked for."""
    return json.dumps({"short": pair[0], "detailed": pair[1]}, ensure_ascii=False)
