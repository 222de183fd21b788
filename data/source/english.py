# ruff: noqa: E501  # prose is easier to read and to edit in long lines
"""The English sample paper: "How Vision-Language Models See". Numbers of the experiment come from simulation.json."""

from __future__ import annotations

import json
from pathlib import Path

from source.blocks import Block, Cell, Document, Figure, Formula, Heading, Items, Para, Table, Words

_SIM = json.loads((Path(__file__).parent / "simulation.json").read_text(encoding="utf-8"))
_HARD, _EASY = _SIM["batches"]["0.6"], _SIM["batches"]["0.4"]
_TEMPERATURE = _SIM["temperatures"]
_COLUMNS = ("i2t_r1", "i2t_r5", "t2i_r1", "t2i_r5", "zero_shot_1", "zero_shot_8")
_BATCHES = ("16", "64", "256", "1024")


def _result_rows() -> tuple[tuple[str | Cell, ...], ...]:
    head: tuple[tuple[str | Cell, ...], ...] = (
        (
            Cell("Noise", rowspan=2),
            Cell("Batch size", rowspan=2),
            Cell("Image to text", colspan=2),
            Cell("Text to image", colspan=2),
            Cell("Zero-shot accuracy", colspan=2),
        ),
        ("R@1", "R@5", "R@1", "R@5", "1 prompt", "8 prompts"),
    )
    body: list[tuple[str | Cell, ...]] = []
    for noise, runs in (("0.4", _EASY), ("0.6", _HARD)):
        for i, batch in enumerate(_BATCHES):
            first: tuple[str | Cell, ...] = (Cell(noise, rowspan=4),) if i == 0 else ()
            body.append((*first, batch, *(f"{runs[batch][key]:.1f}" for key in _COLUMNS)))
    return head + tuple(body)


_BLOCKS: tuple[Block, ...] = (
    Heading("intro", "Introduction"),
    Para(
        "A language model reads and writes text and nothing else. It can repeat that ripe bananas are yellow because many people wrote "
        "so, yet it cannot tell whether the banana on your table is ripe. A _vision-language model_ closes this gap: it takes pictures "
        "as well as words, and it ties both to one space of meaning, so that what is seen can be asked about, described, compared and "
        "searched. What such a model adds to a language model is therefore not a better style but a new source of evidence: objects, "
        "their colours and places, printed text inside a photograph, the shape of a curve in a plot."
    ),
    Para(
        "Two lines of work made this practical. The first learns to _match_: an image encoder and a text encoder are trained so that a "
        "picture and its own caption land close together [@clip,align]. The second learns to _speak_: a language model is given the "
        "output of an image encoder and continues it with words [@flamingo,blip2,llava]. The first kind is small, fast and suited to "
        "search and classification; the second is large, slow and suited to questions and descriptions. Most present systems use an "
        "encoder of the first kind as the eye of a model of the second kind."
    ),
    Para(
        "This paper explains both from their formulas. It is written for readers who know linear algebra and the transformer "
        "[@transformer] but have not worked with images. We make no claim of novelty; our aims are the following."
    ),
    Items(
        (
            "To derive contrastive pretraining step by step, with every symbol defined (@sec:clip).",
            "To compare the three usual ways of wiring an eye to a language model (@sec:fusion), and to say which architecture suits "
            "which task.",
            "To name what goes wrong: word order, video, and the measures themselves (@sec:video and @sec:evaluation).",
            "To let the reader check the main effects in a toy world that trains in seconds on one processor core "
            "(@sec:experiment).^toy^",
        )
    ),
    Heading("encoders", "Encoders"),
    Heading("image_encoder", "From pixels to vectors", 2),
    Para(
        "An image encoder turns a picture into one vector or into a short sequence of vectors. Convolutional networks such as ResNet "
        "[@resnet] do it by stacking local filters. The vision transformer [@vit] instead cuts the picture into $M|M$ square patches, "
        "flattens each patch to a row $bold(x)_m|xm$, and multiplies it by a learned matrix $bold(E)|E$. A learned class token is put "
        "in front, and a position embedding is added because attention by itself does not know where a patch came from:"
    ),
    Formula(
        "patches",
        'bold(z)_0 = [bold(x)_"cls"; med bold(x)_1 bold(E); med dots; med bold(x)_M bold(E)] + bold(E)_"pos"',
        r"\mathbf{z}_0 = [\mathbf{x}_{\mathrm{cls}};\ \mathbf{x}_1\mathbf{E};\ \dots;\ \mathbf{x}_M\mathbf{E}] + \mathbf{E}_{\mathrm{pos}}",
    ),
    Para(
        "A picture of 224 by 224 pixels gives 196 patches of 16 by 16, or only 49 patches of 32 by 32. Halving the patch side "
        "therefore multiplies the sequence length by four, and the cost of attention by about sixteen. The final state of the class "
        "token serves as a summary of the picture, while the patch states keep the detail and are what a language model should be "
        "shown when small print matters."
    ),
    Heading("text_encoder", "From words to vectors", 2),
    Para(
        "The text encoder of a matching model is a plain transformer over subword tokens. Its length is usually capped; in CLIP the "
        "cap is 77 tokens, so a paragraph does not fit and is cut off. The state at the end-of-text token is projected to the same "
        "dimension as the image vector. Nothing else connects the two towers, as @fig:dual shows, and this is what makes the design "
        "so useful: all pictures of a collection can be encoded once, stored, and compared later with any sentence."
    ),
    Figure(
        "dual",
        "The dual encoder. Each tower ends in a linear projection; the only meeting point is the matrix of similarities, divided by "
        "the temperature.",
        "diagram",
        "dual-encoder()",
        where="top",
    ),
    Heading("clip", "Contrastive pretraining"),
    Heading("clip_objective", "The objective of CLIP", 2),
    Para(
        "CLIP stands for contrastive language-image pretraining [@clip]. Its purpose is to learn visual concepts from captions that "
        "already exist on the web instead of from hand-made labels, so that the trained model can recognise things it was never "
        "explicitly taught. It was trained on 400 million image-text pairs with batches of 32,768 pairs; ALIGN [@align] later showed "
        "that 1.8 billion noisier pairs work too. Let $bold(u)_i|ui$ be the vector of image $i|i$ and $bold(v)_j|vj$ the vector of "
        "caption $j|j$. Their similarity is the cosine"
    ),
    Formula(
        "cosine",
        "s_(i j) = (bold(u)_i^top bold(v)_j) / (norm(bold(u)_i) norm(bold(v)_j))",
        r"s_{ij} = \frac{\mathbf{u}_i^{\top}\mathbf{v}_j}{\lVert\mathbf{u}_i\rVert\,\lVert\mathbf{v}_j\rVert}",
    ),
    Para("and a batch of $N|N$ pairs yields a square matrix of them, with the true pairs on the diagonal:"),
    Formula(
        "matrix",
        "bold(S) = mat(s_(1 1), s_(1 2), dots.c, s_(1 N); s_(2 1), s_(2 2), dots.c, s_(2 N); dots.v, dots.v, dots.down, dots.v; "
        "s_(N 1), s_(N 2), dots.c, s_(N N))",
        r"\mathbf{S} = \begin{pmatrix} s_{11} & s_{12} & \cdots & s_{1N} \\ s_{21} & s_{22} & \cdots & s_{2N} \\ "
        r"\vdots & \vdots & \ddots & \vdots \\ s_{N1} & s_{N2} & \cdots & s_{NN} \end{pmatrix}",
    ),
    Para(
        "The model is asked a multiple-choice question per row: which of the $N|N$ captions belongs to this picture? A softmax turns "
        "the row into probabilities,"
    ),
    Formula(
        "softmax",
        "p_(i arrow.r j) = exp(s_(i j) \\/ tau) / (sum_(k=1)^N exp(s_(i k) \\/ tau))",
        r"p_{i\to j} = \frac{\exp(s_{ij}/\tau)}{\sum_{k=1}^{N}\exp(s_{ik}/\tau)}",
    ),
    Para(
        "where $tau > 0|τ > 0$ is the temperature. The same question is asked per column, with $q_(j arrow.r i)|qj→i$ for the "
        "probability that caption $j|j$ belongs to picture $i|i$. The symmetric loss is the mean of both cross-entropies; up to its "
        "two directions it is the InfoNCE loss [@cpc]:"
    ),
    Formula(
        "loss",
        "cal(L) = - 1 / (2 N) sum_(i=1)^N (log p_(i arrow.r i) + log q_(i arrow.r i))",
        r"\mathcal{L} = -\frac{1}{2N}\sum_{i=1}^{N}\bigl(\log p_{i\to i} + \log q_{i\to i}\bigr)",
    ),
    Para(
        "A model that guesses blindly has loss $log N|log N$. Every other caption of the batch acts as a wrong answer, or _negative_, so a "
        "larger batch makes the task harder and the representation sharper. @fig:heat shows a trained matrix: the diagonal stands "
        "out, and the few strong cells beside it are pairs that really are alike."
    ),
    Figure(
        "heat",
        "Cosine similarities of ten held-out pairs in the toy world after training (rows are pictures, columns are captions). Red is "
        "positive, blue is negative.",
        "picture",
        'picture("similarity.png", 196pt)',
        where="top",
    ),
    Heading("temperature", "What the temperature does", 2),
    Para(
        "Cosines live between −1 and 1. Without rescaling, even a perfect row would give nearly uniform probabilities, and the "
        "gradient would keep pulling on pairs that are long settled. Dividing by a small $tau|τ$ stretches the scale. If $tau|τ$ is "
        "too small, the single hardest negative takes all the weight, and that negative is often a caption that would be just as "
        "right. CLIP starts at 0.07, learns the logarithm of the inverse temperature with the other weights, and clips it so that "
        "similarities are never multiplied by more than 100.^clipping^"
    ),
    Heading("sigmoid", "A loss without the softmax", 2),
    Para(
        "The softmax needs the whole row at once, which is awkward when a batch is spread over many machines. SigLIP [@siglip] treats "
        "each cell of @eq:matrix as its own yes-or-no question. With $y_(i j) = 1|yij = 1$ on the diagonal and $−1|−1$ elsewhere, a "
        "learned bias $b|b$, and the logistic function $sigma|σ$,"
    ),
    Formula(
        "siglip",
        'cal(L)_"sig" &= - 1 / N sum_(i=1)^N sum_(j=1)^N log sigma (y_(i j) t_(i j)), \\ t_(i j) &= s_(i j) / tau + b',
        r"\begin{aligned} \mathcal{L}_{\mathrm{sig}} &= -\frac{1}{N}\sum_{i=1}^{N}\sum_{j=1}^{N}\log\sigma(y_{ij}\,t_{ij}), \\ "
        r"t_{ij} &= \frac{s_{ij}}{\tau} + b \end{aligned}",
    ),
    Para(
        "The bias starts at a strongly negative value because nearly all cells are negatives. The loss splits into independent sums, "
        "needs less memory, and works well with smaller batches than the softmax."
    ),
    Heading("zeroshot", "Zero-shot classification", 2),
    Para(
        "A matching model becomes a classifier without any training. Each class name is put into a few sentence templates, such as "
        "“a photo of a {name}”; the $R|R$ resulting unit vectors $bold(v)_(c r)|vcr$ are averaged and normalised to a class vector "
        "$bold(w)_c|wc$, and a picture gets the class with the largest cosine:"
    ),
    Formula(
        "zero",
        'bold(w)_c = (sum_(r=1)^R bold(v)_(c r)) / norm(sum_(r=1)^R bold(v)_(c r)), quad hat(c) = op("arg max", limits: #true)_c med bold(u)^top bold(w)_c',
        r"\mathbf{w}_c = \frac{\sum_{r=1}^{R}\mathbf{v}_{cr}}{\lVert\sum_{r=1}^{R}\mathbf{v}_{cr}\rVert}, \quad "
        r"\hat{c} = \operatorname*{arg\,max}_{c}\ \mathbf{u}^{\top}\mathbf{w}_c",
    ),
    Para(
        "Averaging over templates matters: it removes what is peculiar to one wording, and it costs nothing at run time because class "
        "vectors are computed once. In this way CLIP reached the ImageNet accuracy of a supervised ResNet-50 without seeing one of "
        "its 1.28 million labelled training pictures [@clip]."
    ),
    Heading("fusion", "Teaching a language model to see"),
    Para(
        "Cosines cannot answer “how many people wear a hat?”. For that, image vectors must enter a model that writes. @fig:connect "
        "and @tab:families sum up the three usual ways."
    ),
    Figure(
        "connect",
        "Three connectors between an image encoder and a language model: (a) a projector, (b) a bottleneck of learned queries, (c) "
        "gated cross-attention layers inside the language model.",
        "diagram",
        "connectors()",
        where="bottom",
    ),
    Heading("projector", "Projectors", 2),
    Para(
        "The simplest connector is a matrix. LLaVA [@llava] multiplies each patch vector by it, so that the result has the width of a "
        "word embedding, and places the whole sequence before the question. The language model then treats patches as foreign words. "
        "With 224-pixel pictures and patches of 14 pixels this costs 256 positions a picture. A later version uses two layers in "
        "place of one. Little is trained from scratch, which makes the projector the first choice for a small laboratory."
    ),
    Heading("qformer", "Query bottlenecks", 2),
    Para(
        "The Q-Former of BLIP-2 [@blip2] keeps both the image encoder and the language model frozen. Between them, 32 learned query "
        "vectors look at the patches through attention and hand on 32 vectors, however large the picture was. The price is that "
        "detail which no query asked for is lost; reading a table in a scan is a typical victim."
    ),
    Heading("crossattention", "Cross-modal attention", 2),
    Para(
        "In cross-modal attention the queries come from one modality, and the keys and values from the other. Let $bold(X)|X$ hold "
        "$L|L$ text states as rows and $bold(Z)|Z$ hold $M|M$ image states. Each word asks where in the picture its evidence lies, and "
        "receives a weighted mean of image values:"
    ),
    Formula(
        "cross",
        '"CA"(bold(X), bold(Z)) &= "softmax" ((bold(Q) bold(K)^top) / sqrt(d_k)) bold(V), \\ '
        "bold(Q) = bold(X) bold(W)_Q, quad bold(K) &= bold(Z) bold(W)_K, quad bold(V) = bold(Z) bold(W)_V",
        r"\begin{aligned} \mathrm{CA}(\mathbf{X},\mathbf{Z}) &= "
        r"\mathrm{softmax}\!\left(\frac{\mathbf{Q}\mathbf{K}^{\top}}{\sqrt{d_k}}\right)\mathbf{V}, \\ "
        r"\mathbf{Q} = \mathbf{X}\mathbf{W}_Q, \quad \mathbf{K} &= \mathbf{Z}\mathbf{W}_K, \quad \mathbf{V} = \mathbf{Z}\mathbf{W}_V \end{aligned}",
    ),
    Para(
        "The weight matrix has $L M|LM$ entries, one for each pair of a word and a patch, and can be drawn over the picture as a map "
        "of where the model looked. Flamingo [@flamingo] inserts such layers between the frozen layers of a large language model, and "
        "opens them slowly through a gate that starts at zero:"
    ),
    Formula(
        "gate",
        'bold(X)\' = bold(X) + tanh(alpha) dot "CA"(bold(X), bold(Z)), quad alpha_0 = 0',
        r"\mathbf{X}' = \mathbf{X} + \tanh(\alpha)\cdot\mathrm{CA}(\mathbf{X},\mathbf{Z}), \quad \alpha_0 = 0",
    ),
    Para(
        "At the start of training the new layers therefore change nothing, and the language model keeps its abilities. A resampler "
        "first reduces any number of patches, or of video frames, to 64 tokens, which keeps @eq:cross cheap."
    ),
    Table(
        "families",
        "Three connector families with a well-known example each. Tokens are visual tokens per picture at the input of the language "
        "model or of its cross-attention layers.",
        (
            ("Connector", "Example", "Tokens", "Suits"),
            ("Projector", "LLaVA", "256", "fine detail"),
            ("Query bottleneck", "BLIP-2", "32", "short captions"),
            ("Gated attention", "Flamingo", "64", "video"),
        ),
        header_rows=1,
        columns="(auto, auto, auto, auto)",
        align="(left, left, right, left)",
        where="top",
    ),
    Heading("captioning", "Captioning models", 2),
    Para(
        "A captioning model is a conditional language model. Given image states $bold(Z)|Z$, it factorises the probability of the "
        "words $w_1, dots, w_T|w1, …, wT$ from left to right,"
    ),
    Formula(
        "caption",
        "log P(w_(1:T) | bold(Z)) = sum_(t=1)^T log P(w_t | w_(<t), bold(Z))",
        r"\log P(w_{1:T}\mid\mathbf{Z}) = \sum_{t=1}^{T}\log P(w_t\mid w_{<t},\mathbf{Z})",
    ),
    Para(
        "and is trained to maximise this sum on human captions. Show and Tell [@showtell] fed one image vector to a recurrent network; "
        "Show, Attend and Tell [@showattend] let each word look at its own image region. BLIP [@blip] added a filter: one model writes "
        "captions for web pictures, a second judges whether picture and sentence match, and only the pairs that pass are used for the "
        "next round. This cleaning improved retrieval and captioning alike."
    ),
    Heading("instruction", "Instruction tuning", 2),
    Para(
        "A captioner only describes. To make it follow requests, it is tuned on conversations about pictures. LLaVA obtained 158,000 of "
        "them by giving a text-only model the captions and object boxes of COCO pictures [@coco] and asking it to invent dialogues, "
        "descriptions and reasoning questions. Training runs in two stages: first the projector alone, on captions; then projector and "
        "language model together, on dialogues. Because the writer of these dialogues never saw a pixel, its mistakes are passed on, and "
        "models tuned this way like to mention objects that are merely likely."
    ),
    Heading("retrieval", "Cross-modal retrieval"),
    Para(
        "Cross-modal retrieval finds pictures by a sentence, or sentences by a picture. With a dual encoder it is a nearest-neighbour "
        "search: encode the query, compute cosines with all stored vectors, sort. An exact scan of a million vectors of 512 numbers "
        "reads two gigabytes in single precision; inverted lists or graphs cut this to a small part with a small loss [@faiss]. A cross-attention "
        "model is more precise but must run once per pair, so it is used only to reorder the best hundred candidates."
    ),
    Para(
        "A practical warning concerns the _modality gap_ [@gap]: image vectors and text vectors fill two separate cones of the shared "
        "sphere. Cosines between a sentence and a picture are therefore much lower than those between two pictures, and scores of the "
        "two kinds must never be mixed in one ranking without recalibration."
    ),
    Heading("video", "The trouble with video"),
    Para(
        "A video is not merely a stack of pictures. The simplest adaptation encodes $T|T$ sampled frames one by one and averages them, "
        "as one variant of CLIP4Clip does [@clip4clip]. But a mean does not change when the frames are shuffled, so opening a door "
        "and closing it get the same vector. Keeping all frames preserves order but is dear: with $M|M$ tokens a frame, the sequence "
        "length $n|n$ and the number $a|a$ of attention scores in one layer and head are"
    ),
    Formula(
        "video",
        "n &= T M, \\ a &= n^2 = T^2 M^2",
        r"\begin{aligned} n &= TM, \\ a &= n^2 = T^2M^2 \end{aligned}",
    ),
    Para(
        "so that twice the frames mean four times the attention. @fig:cost and @tab:budget give the lengths. A one-hour film "
        "sampled once a second has 3,600 frames; at 256 tokens each this is 921,600 tokens, more than most language models accept. "
        "Sparse sampling misses short events, heavy pooling misses small ones. Frozen in Time [@frozen] spreads attention over space "
        "and time separately, which lowers the cost from $T^2 M^2|T²M²$ to about $T M (T + M)|TM(T + M)$. Captions are a second "
        "difficulty: most describe one moment and say nothing about order, so even a capable network is seldom punished for ignoring "
        "time. Sound, finally, is dropped by most systems altogether."
    ),
    Figure(
        "cost",
        "Length of the visual sequence against the number of sampled frames for three connectors, computed from @eq:video.",
        "chart",
        "video-cost()",
        where="top",
    ),
    Table(
        "budget",
        "Visual tokens for a clip, by sampled frames and tokens a frame.",
        (
            (Cell("Frames", rowspan=2), Cell("Tokens a frame", colspan=3)),
            ("32", "64", "256"),
            ("8", "256", "512", "2,048"),
            ("16", "512", "1,024", "4,096"),
            ("32", "1,024", "2,048", "8,192"),
            ("64", "2,048", "4,096", "16,384"),
        ),
        header_rows=2,
        columns="(auto, 4em, 4em, 4em)",
        align="(right, right, right, right)",
        rules=((0, 1, 4),),
        where="bottom",
    ),
    Heading("experiment", "A toy experiment"),
    Heading("setup", "Set-up", 2),
    Para(
        "All numbers in this section come from an _illustrative simulation_, not from photographs. A hidden vector of 24 numbers "
        "stands for the meaning of a scene. Two fixed random maps with a hyperbolic tangent turn it into a “picture” of 64 numbers and a "
        "“caption” of 48, and Gaussian noise of standard deviation 0.4 (easy) or 0.6 (hard) is added to both. Two linear encoders "
        "project to 16 dimensions and are trained on 4,096 pairs with @eq:loss for 400 steps of Adam at a learning rate of 0.02. "
        "Retrieval is tested on 500 held-out pairs, zero-shot classification on 20 classes with 50 pictures each. Every figure is the "
        "mean of three random seeds.^seeds^"
    ),
    Heading("results", "Results", 2),
    Para(
        f"@tab:results lists the results and @fig:results draws them. Three effects of the real systems appear in small. First, larger "
        f"batches help, and they help most where pairs are hard to tell apart: with noise 0.6, image-to-text recall@1 rises from "
        f"{_HARD['16']['i2t_r1']} to {_HARD['1024']['i2t_r1']} percent between batches of 16 and 1,024, whereas with noise 0.4 nothing is "
        f"gained beyond 256. Second, eight prompts beat one by more than twenty points in the hard world; at batch size 256 the "
        f"accuracy goes from {_HARD['256']['zero_shot_1']} to {_HARD['256']['zero_shot_8']} percent. Third, the temperature has a broad "
        f"optimum: any value from 0.03 to 0.2 is about as good, but at $tau = 1|τ = 1$ recall@1 drops to "
        f"{_TEMPERATURE['1.0']['i2t_r1']} percent."
    ),
    Table(
        "results",
        "Results of the simulation in percent, temperature 0.07, mean of three seeds. R@k is the share of queries whose true partner is "
        "among the first k of 500 candidates. Illustrative data, not a benchmark.",
        _result_rows(),
        header_rows=2,
        columns="(auto, auto, 4em, 4em, 4em, 4em, 6.5em, 6.5em)",
        align="(center + horizon, right, right, right, right, right, right, right)",
        wide=True,
        rules=((0, 2, 4), (0, 4, 6), (0, 6, 8), (5, 0, 8)),
        where="top",
    ),
    Figure(
        "results",
        "The simulation in three views: (a) image-to-text recall@1 against batch size at two noise levels; (b) the effect of the "
        "temperature at noise 0.6 and batch size 256; (c) zero-shot accuracy at noise 0.6 with one prompt and with eight.",
        "panels",
        "experiment()",
        wide=True,
        panels=3,
        where="top",
    ),
    Para(
        "What the toy world cannot show is just as important. Its pairs never lie, its captions are complete, and its test comes from "
        "the same distribution as its training data. None of this holds on the web."
    ),
    Heading("evaluation", "Evaluation"),
    Heading("measures", "Measures", 2),
    Para(
        "Retrieval is scored by the rank $r_q|rq$ of the first correct item for each query $q|q$ of a set $cal(Q)|Q$, through recall at "
        "$k|k$ and the mean reciprocal rank:"
    ),
    Formula(
        "metrics",
        '"R@"k &= 1 / abs(cal(Q)) sum_(q in cal(Q)) bb(1)[r_q <= k], \\ "MRR" &= 1 / abs(cal(Q)) sum_(q in cal(Q)) 1 / r_q',
        r"\begin{aligned} \mathrm{R@}k &= \frac{1}{|\mathcal{Q}|}\sum_{q\in\mathcal{Q}}\mathbb{1}[r_q\le k], \\ "
        r"\mathrm{MRR} &= \frac{1}{|\mathcal{Q}|}\sum_{q\in\mathcal{Q}}\frac{1}{r_q} \end{aligned}",
    ),
    Para(
        "Captions are compared with several human references. BLEU [@bleu] counts shared word sequences, CIDEr [@cider] weights them by "
        "how rare they are, and CLIPScore [@clipscore] needs no reference at all: it takes the cosine of picture and caption, clips it at zero "
        "and multiplies it by 2.5. Visual question answering is scored by agreement with human answers, on data balanced so "
        "that the question alone does not give the answer away [@vqa]."
    ),
    Heading("pitfalls", "Pitfalls", 2),
    Para(
        "Good numbers can hide a blind model. Matching models often behave like bags of words [@bags]: they score “the horse eats "
        "the grass” and “the grass eats the horse” almost alike. @fig:scenes shows pairs made for such a test; upper and lower row hold the "
        "same things, and only their arrangement differs. A model that ignores arrangement cannot do better than chance on them."
    ),
    Figure(
        "scenes",
        "Synthetic test scenes. In each column the upper and the lower picture hold the same objects in a different arrangement; a test "
        "caption fits only one of the two.",
        "picture",
        'picture("scenes.png", 205pt)',
        where="top",
    ),
    Para(
        "Captioners, for their part, _hallucinate_: they name objects that are not there because such objects usually are. CHAIR "
        "[@chair] measures this as the share of mentioned objects that are absent from the picture. Finally, test pictures may have been in the "
        "training data, since both come from the web. A report should therefore state how duplicates were removed, give an interval "
        "with every mean, and name the prompts it used, for a change of wording alone may move accuracy by several points.^intervals^"
    ),
    Heading("choice", "Which architecture for which task"),
    Para(
        "For search in a large collection and for sorting pictures into named classes, take a dual encoder: it is the only design whose "
        "cost per stored picture is paid once. For short captions at low cost, a query bottleneck is enough. For reading charts, forms "
        "and small print, use a projector with many tokens, or several crops of one picture. For long videos and for prompts that mix many pictures "
        "with text, gated cross-attention keeps the sequence short. The designs combine well: retrieve with a dual encoder, reorder "
        "with cross-attention, and let a tuned model with a projector write the answer."
    ),
    Heading("conclusion", "Conclusion"),
    Para(
        "Matching and speaking are two uses of one idea, that a picture and the words about it carry the same meaning in two forms. "
        "Contrastive training gives the common space; a connector gives a language model access to it. What remains hard is order: of "
        "words in a sentence, of objects in a scene, of frames in time. We hope that the formulas and the small simulation make it "
        "easier to see why."
    ),
)

_FOOTNOTES = {
    "toy": "The program is simulate.py beside the source of this paper; it needs only numpy and finishes within a minute or two.",
    "clipping": "Multiplying by at most 100 is the same as keeping the temperature at or above 0.01.",
    "seeds": "Seeds 1, 2 and 3. They fix the random maps, the data and the initial weights alike.",
    "intervals": "A bootstrap over the test questions is sufficient; a thousand resamples take seconds.",
}

_REFERENCES = {
    "transformer": "A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, Ł. Kaiser, and I. Polosukhin. 2017. "
    "Attention Is All You Need. In Advances in Neural Information Processing Systems 30.",
    "clip": "A. Radford, J. W. Kim, C. Hallacy, A. Ramesh, G. Goh, S. Agarwal, et al. 2021. Learning Transferable Visual Models From "
    "Natural Language Supervision. In Proceedings of ICML.",
    "align": "C. Jia, Y. Yang, Y. Xia, Y.-T. Chen, Z. Parekh, H. Pham, et al. 2021. Scaling Up Visual and Vision-Language "
    "Representation Learning With Noisy Text Supervision. In Proceedings of ICML.",
    "flamingo": "J.-B. Alayrac, J. Donahue, P. Luc, A. Miech, I. Barr, Y. Hasson, et al. 2022. Flamingo: a Visual Language Model for "
    "Few-Shot Learning. In Advances in Neural Information Processing Systems 35.",
    "blip2": "J. Li, D. Li, S. Savarese, and S. Hoi. 2023. BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image "
    "Encoders and Large Language Models. In Proceedings of ICML.",
    "llava": "H. Liu, C. Li, Q. Wu, and Y. J. Lee. 2023. Visual Instruction Tuning. In Advances in Neural Information Processing "
    "Systems 36.",
    "resnet": "K. He, X. Zhang, S. Ren, and J. Sun. 2016. Deep Residual Learning for Image Recognition. In Proceedings of CVPR.",
    "vit": "A. Dosovitskiy, L. Beyer, A. Kolesnikov, D. Weissenborn, X. Zhai, T. Unterthiner, et al. 2021. An Image is Worth 16x16 "
    "Words: Transformers for Image Recognition at Scale. In Proceedings of ICLR.",
    "cpc": "A. van den Oord, Y. Li, and O. Vinyals. 2018. Representation Learning with Contrastive Predictive Coding. "
    "arXiv:1807.03748.",
    "siglip": "X. Zhai, B. Mustafa, A. Kolesnikov, and L. Beyer. 2023. Sigmoid Loss for Language Image Pre-Training. In Proceedings of "
    "ICCV.",
    "showtell": "O. Vinyals, A. Toshev, S. Bengio, and D. Erhan. 2015. Show and Tell: A Neural Image Caption Generator. In Proceedings "
    "of CVPR.",
    "showattend": "K. Xu, J. Ba, R. Kiros, K. Cho, A. Courville, R. Salakhutdinov, R. Zemel, and Y. Bengio. 2015. Show, Attend and "
    "Tell: Neural Image Caption Generation with Visual Attention. In Proceedings of ICML.",
    "blip": "J. Li, D. Li, C. Xiong, and S. Hoi. 2022. BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language "
    "Understanding and Generation. In Proceedings of ICML.",
    "coco": "T.-Y. Lin, M. Maire, S. Belongie, J. Hays, P. Perona, D. Ramanan, P. Dollár, and C. L. Zitnick. 2014. Microsoft COCO: "
    "Common Objects in Context. In Proceedings of ECCV.",
    "faiss": "J. Johnson, M. Douze, and H. Jégou. 2021. Billion-Scale Similarity Search with GPUs. IEEE Transactions on Big Data 7(3).",
    "gap": "W. Liang, Y. Zhang, Y. Kwon, S. Yeung, and J. Zou. 2022. Mind the Gap: Understanding the Modality Gap in Multi-modal "
    "Contrastive Representation Learning. In Advances in Neural Information Processing Systems 35.",
    "clip4clip": "H. Luo, L. Ji, M. Zhong, Y. Chen, W. Lei, N. Duan, and T. Li. 2022. CLIP4Clip: An Empirical Study of CLIP for End "
    "to End Video Clip Retrieval and Captioning. Neurocomputing 508.",
    "frozen": "M. Bain, A. Nagrani, G. Varol, and A. Zisserman. 2021. Frozen in Time: A Joint Video and Image Encoder for End-to-End "
    "Retrieval. In Proceedings of ICCV.",
    "bleu": "K. Papineni, S. Roukos, T. Ward, and W.-J. Zhu. 2002. BLEU: a Method for Automatic Evaluation of Machine Translation. In "
    "Proceedings of ACL.",
    "cider": "R. Vedantam, C. L. Zitnick, and D. Parikh. 2015. CIDEr: Consensus-based Image Description Evaluation. In Proceedings of "
    "CVPR.",
    "clipscore": "J. Hessel, A. Holtzman, M. Forbes, R. Le Bras, and Y. Choi. 2021. CLIPScore: A Reference-free Evaluation Metric for "
    "Image Captioning. In Proceedings of EMNLP.",
    "vqa": "Y. Goyal, T. Khot, D. Summers-Stay, D. Batra, and D. Parikh. 2017. Making the V in VQA Matter: Elevating the Role of Image "
    "Understanding in Visual Question Answering. In Proceedings of CVPR.",
    "bags": "M. Yuksekgonul, F. Bianchi, P. Kalluri, D. Jurafsky, and J. Zou. 2023. When and Why Vision-Language Models Behave like "
    "Bags-of-Words, and What to Do About It? In Proceedings of ICLR.",
    "chair": "A. Rohrbach, L. A. Hendricks, K. Burns, T. Darrell, and K. Saenko. 2018. Object Hallucination in Image Captioning. In "
    "Proceedings of EMNLP.",
}

PAPER = Document(
    name="vision_language_models",
    language="en",
    title="How Vision-Language Models See: From Contrastive Pretraining to Models That Answer",
    authors="The Lantern Reading Group",
    affiliation="Workshop on Readable Machine Learning, Harbour Street",
    abstract=(
        "Vision-language models join pictures and text in one space of meaning. We explain how they work, from the formulas up. The "
        "first half derives contrastive pretraining as used by CLIP: two encoders, cosine similarity, a temperature, and a symmetric "
        "loss that needs no labels beyond captions. The second half shows three ways to connect an image encoder to a language model, "
        "namely projectors, query bottlenecks and gated cross-attention, and what each is good for: captioning, dialogue, retrieval. We then turn "
        "to the trouble with video and to evaluation, where high scores may hide that a model ignores word order. A small simulation, "
        "clearly marked as such, lets the reader see the effect of batch size, temperature and prompt ensembles. We close with advice "
        "on which architecture suits which task."
    ),
    keywords="Keywords: contrastive learning, CLIP, cross-modal retrieval, captioning, evaluation",
    header_odd="How Vision-Language Models See",
    header_even="The Lantern Reading Group",
    footer="Sample paper made for rag-app, January 2026. CC BY 4.0.",
    words=Words("Figure", "Table", "Eq.", "Section", "Abstract", "References"),
    blocks=_BLOCKS,
    footnotes=_FOOTNOTES,
    references=_REFERENCES,
    settings={"columns": "2", "margin": "1.9", "size": "10", "leading": "0.58", "spacing": "0.7"},
)
