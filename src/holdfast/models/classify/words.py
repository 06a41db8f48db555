"""How servers say what is wrong, by what it calls for: many wordings and several languages, in the order in which they weigh.

The words come without quotation marks and addresses, in lower case; names of codes (`InsufficientBalance`, `context_length_exceeded`) come as words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdfast.core.failure import Kind

_URL: Final = re.compile(r"\b[a-z]+://[^\s|)\]]+", re.IGNORECASE)
_QUOTES: Final = re.compile("[\"'`\u2018\u2019\u201c\u201d«»「」]")
_GO_TIMEOUT: Final = re.compile(r"context (deadline exceeded|cancell?ed)")
"""What servers written in Go say of a time-out. No context was too long."""

WORDS_CHARS_MAX: Final = 6_000

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATOR: Final = re.compile(r"[_.\-/\s]+")


Verdict = tuple[Kind, str]
"""A class, and why in a few words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that mean a class."""

    kind: Kind
    why: str
    pattern: re.Pattern[str]

    @property
    def verdict(self) -> Verdict:
        return self.kind, self.why

    def found_in(self, text: str) -> bool:
        return self.pattern.search(text) is not None


def first(rules: Iterable[Rule], text: str) -> Rule | None:
    """The first rule whose words are in the text."""
    return next((rule for rule in rules if rule.found_in(text)), None)


def _rule(kind: Kind, why: str, *alternatives: str) -> Rule:
    return Rule(kind, why, re.compile("|".join(f"(?:{one})" for one in alternatives), re.MULTILINE))


def words(messages: Iterable[str], codes: Iterable[str]) -> str:
    """What was said, as the rules read it."""
    spoken = (_GO_TIMEOUT.sub("deadline exceeded", _QUOTES.sub("", _URL.sub(" ", message)).lower()) for message in messages)
    named = (_SEPARATOR.sub(" ", _HUMP.sub(" ", code)).lower() for code in codes)
    return "\n".join(["\n".join(spoken)[:WORDS_CHARS_MAX], *named])


MONEY: Final = _rule(
    "quota",
    "There is no credit left",
    r"(insufficient|not enough|no|low|negative|inadequate|zero) (\w+ ){0,3}?(quota|balance|credits?|funds|money)\b(?! (card|(were|was|will be) ))",
    r"balance\b.{0,30}\b(insufficient|too low|not enough|exhausted|depleted|empty|negative|below)",
    r"\b(credits?|packs?|packages?)\b.{0,40}\b(exhausted|depleted|used up|ran out|run out|too low|insufficient|expired|exceeded|required|limit)",
    r"(out of|exceeded .{0,40}|add( more)?|add \d{1,9}|more|need|purchase|buy|monthly included|any) (extra |prepaid |more |inference |free )?(credits?\b|funds\b)",
    r"out of (quota|funds|money|tokens)|\bextra usage(?! is required for long)",
    r"can only afford|payment[ _]required|payment (method|is required|failed)|unpaid|past due|overdue|arrear|in arrears|good standing|delinquen",
    r"billing (hard |soft )?(limit|cap)|billing (is |has )?(not active|not been enabled|disabled|not enabled|account)|check (your )?billing|prepayment",
    r"(requires?|enable) billing|billing to be enabled",
    r"(top[- ]?up|recharge|pay[- ]as[- ]you[- ]go) .{0,30}(account|balance|your)|please recharge|and recharge|to recharge",
    r"\b(key|total|credits?|spend\w*|account|workspace|organization) limit (has been |was )?(exceeded|reached)|spend(ing)?[ _](limit|cap)|budget.{0,30}(exceeded|exhausted|reached)|exceeded.{0,20}budget|over budget",
    r"(subscription|plan|trial|package|token plan)\b.{0,25}\b(has )?(expired|ended|lapsed|inactive|not active)|trial credits",
    r"free (tier|quota|trial|allowance).{0,40}(exhausted|used up|ended|expired)|free tier only|daily free allocation",
    r"insufficient[ _](quota|balance|credit|fund)|balance (insufficient|not enough)|suspended due to.{0,40}(balance|payment|bill)",
    r"余额不足|余额已|欠费|请充值|充值|额度(已|不足|用)|额度.{0,8}(用尽|耗尽|不够)|资源包|配额.{0,6}(不足|用尽|耗尽)|套餐.{0,10}(过期|到期|用完|用尽)|预扣费.{0,10}失败|欠款|账单",
    r"残高|クレジットが不足|잔액|크레딧.{0,10}부족|saldo insuficiente|cr[eé]dito insuficiente|guthaben|solde insuffisant|недостаточно (средств|баланс)|баланс.{0,20}(недостаточ|исчерпан)",
)
SPENT: Final = _rule(
    "quota",
    "What the account may use is used up",
    r"exceeded.{0,40}\b(quota|usage limit|monthly|weekly|daily|allowance|free[- ]tier)",
    r"usage[ _](limit|cap)s?\b|hit (your|the) limit|(session|hourly|daily|weekly|monthly|yearly)( \w+)? (limit|quota|cap|allowance|request count)",
    r"quota\b.{0,25}\b(exceeded|exhausted|reached|used|depleted|insufficient|over)|(exceeded|exhausted|reached|over|used up|no|out of).{0,25}\bquota\b",
    r"per[- ](day|month|week)\b.{0,40}(limit|exceeded|quota)|(limit|limited to|exceeded|quota|free models).{0,60}(per[- ]|/ ?|a )(day|month|week)\b",
    r"(used|consumed) (all|up|\d{1,3} ?%).{0,40}(requests?|tokens?|quota|allowance|credits?|included|plan)",
    r"reached the set|set limit exceeded|inference limit|neurons|requests included this month|upgrade (to|your) .{0,30}(plan|pro|unlimited|higher limits)|per day per user|monthly request count",
    r"(使用上限|用量上限|限额|每日|每周|每月|今日).{0,20}(达到|用完|超过|上限|超出|次数)|已达.{0,10}上限",
)
SURELY_SPENT: Final = re.compile(
    r"usage[ _]limit|reached the set|set limit exceeded|inference limit|monthly request count|neurons|requests included this month|(session|weekly|monthly) (usage )?(limit|quota|cap)|too many .{0,30}per[- ](day|week|month)\b|使用上限|用量上限"
)
"""Allowances of hours and more, also where a status or a code calls them too many requests."""

PER_DAY: Final = re.compile(r"per[- _]?day|perday|daily|per[- _]?month|monthly|limit: 0\b")
PER_MINUTE: Final = re.compile(
    r"per[- _]?(minute|second|min|sec)\b|/ ?(min|minute|sec|s)\b|\b[rtqi]p[ms]\b|perminute|persecond|requests? rate|token rate|daily rate[- ]limit|throttl"
    r"|(retry|try again) (in|after) (about )?\d|retry after|per-minute|请求频率|每分钟"
)
RATE: Final = _rule(
    "rate-limit",
    "Too many calls for now",
    r"rate[-_ ]?limit|spike arrest|too many (requests|concurrent|connections|calls|tokens, please wait)|too_many_requests|throttl|request limit reached|slow[ _]down",
    r"(requests?|tokens?|calls|messages)\b.{0,30}\bper[- _]?(minute|second|hour|min|sec|day)|\b[rtq]p[mdhs]\b.{0,40}(limit|exceed|reach)|(limit|exceed|reach|max).{0,40}\b[rtq]p[mdhs]\b",
    r"concurren\w* .{0,30}(limit|exceed|reach|too|quota|request)|(max|limit|exceed).{0,40}concurren|max(imum)? parallel requests|request frequency|frequency of (\w+ )?(requests|calls)|(requests?|call) rate is",
    r"resource (has been |is )?exhausted|quota exceeded for|qps|exceeded.{0,30}(request|call) (limit|rate)|too (frequent|quickly|fast|often)|wait (a (moment|minute|few)|and|before).{0,20}(again|retry)",
    r"频率|速率|限流|限速|并发|过于频繁|请求(数)?过多|请求太|太频繁|リクエストが多|レート制限|요청.{0,10}(많|초과)|demasiadas solicitudes|zu viele anfragen|trop de requ[eê]tes|слишком много запросов|muitas (requisi|solicita)",
)
OUTPUT_SETTING: Final = _rule(
    "config",
    "A setting is not one that the server takes",
    r"max[_ ](completion[_ ]|output[_ ]|new[_ ])?tokens\b(?!.{0,200}(context|inputs? tokens|messages|prompt))"
    r".{0,90}(maximum allowed|at most|less than or equal|<=|exceed|too (large|high|big)|supports? (only )?up to|valid range|range of|between|should be|cannot be (larger|greater)|upper limit)",
    r"(range of|valid range of|invalid|value of|for) max[_ ](completion[_ ]|output[_ ]|new[_ ])?tokens\b(?!.{0,120}(context|inputs? tokens|messages|prompt))",
    r"maximum tokens you requested exceeds? the model limit|maximum allowed number of output tokens|(output|completion) tokens? (limit|supported|allowed).{0,30}(model|is \d)",
)
_LONG: Final = r"(too (long|large|big|many)|exceed\w*|over|larger|longer|greater|more than|above|beyond|surpass\w*|overflow\w*|out of|not fit|doesnt fit|does not fit)"
OVERFLOW: Final = _rule(
    "overflow",
    "The conversation is too long for the model",
    r"(input|prompt|message|sequence|max|model max|request|query) length\b.{0,30}\b(exceed|too long|greater|longer|larger)",
    r"context[-_ ]?(length|window|size|limit|budget)s?\b.{0,70}\b(exceed|too (small|short|long|large)|overflow|reach|insufficient|larger|is only|is not enough|but|however)",
    rf"{_LONG}\b.{{0,70}}\b(context|n_ctx|context_length|max_model_len|max_seq_len|max_position|model_max_length)",
    r"(maximum|max|model|models?|available|supported) (allowed |input |model |total )?(context|prompt|sequence|input)([- _](length|window|size|tokens?|characters|limit))",
    r"maximum model length|max[_ ]?(model|seq|sequence|input|prompt|total|position)\w*[_ ](len|length|tokens)\b.{0,60}(exceed|than|<|>|limit)",
    rf"\b(prompt|input|inputs|text fields|message|messages|conversation|transcript|request|context|content|contents|query|payload|body|sequence|chat|history)\b(?! (queue|took|takes?|is taking|was taking|has taken|timed|processing|images?|pictures?|videos?|audio|files?|documents?|pdfs?))( \w+){{0,3}} (is |are |was |were |has been |length )?{_LONG}(?! size for a)"
    r"(?!.{0,60}(tool|block|rate|image|pixel|mb\b|per minute|per day|budget|quota|time|retr))",
    rf"\b(prompt|input|request|total|requested|number of|sum of)\b.{{0,15}}\btokens?\b.{{0,50}}{_LONG}",
    r"tokens?\b.{0,40}(exceed|larger|longer|greater|over|above|>=?)\W.{0,50}(limit|max|maximum|context|window|capacity|length|allowed|\d{4,})",
    r"\d tokens? ?>=? ?\d|tokens? \+ max_new_tokens|range of input length|too many (input |prompt |total )?tokens(?!,? (please|per))|(less|fewer) than \d{1,9} tokens|tokens? limit (exceed|reach)|exceed\w* .{0,20}token limit",
    r"(reduce|shorten|decrease|truncate|trim|cut) (the |your )?(length|size|number)?( of)?( the| your)? ?(prompt|message|messages|input|inputs|context|conversation|message size|request size)",
    r"(shorter|smaller) (input|prompt|message|request|context)|larger context|longer context",
    r"max_tokens must be (at least|greater).{0,30}-\d|max_(completion_)?tokens.{0,60}got -\d|generation length \d+ is not possible|prompt contains \d+",
    r"n_keep.{0,40}n_ctx|first \d{1,9} tokens when context|keep from the initial prompt|context shift|exceed context size|slot context|kv cache.{0,30}(full|exceed|too small|insufficient)",
    r"context (length|window|size|overflow) ?(exceeded|error)?\b.{0,5}$|context window exceeded|context overflow|model_context_window_exceeded|prompt too long|tokens limit reached|max prompt tokens exceeded|string above max length",
    r"request (entity )?too[ _]large|payload too large|content too large|request[ _]too[ _]large|entity too large|content length exceeded|request body too large|body (size )?exceed|payload size exceeds|exceeds the maximum size|max(imum)? body|total text bytes",
    r"expected maxlength: \d+, actual|maximum length of (the )?(prompt|input|messages)|conversation (length|limit)|conversation has (grown|become) too",
    r"(输入|上下文|提示词?|消息|对话|文本|请求|内容|tokens?|prompt|messages?).{0,25}(超出|超过|过长|太长|超长|超限|过大|溢出|大于)|(超出|超过).{0,15}(上下文|最大长度|长度限制|输入|token)|最大.{0,6}上下文|上下文长度|(压缩|缩短|精简|减少).{0,6}(上下文|输入|消息|对话|提示)",
    r"コンテキスト.{0,20}(超|長)|トークン.{0,20}(上限|超)|入力が長|컨텍스트.{0,20}초과|토큰.{0,20}초과|kontext.{0,20}(überschr|zu (lang|groß))|(eingabe|anfrage|prompt) ist zu lang",
    r"(contexte|invite|requête|entrée).{0,30}(trop long|dépass)|(contexto|entrada|mensaje|mensagem|prompt).{0,40}(excede|supera|demasiado larg|muito long|ultrapassa)|(контекст|запрос|токен|длина).{0,40}(превы|слишком)",
)
REFUSED: Final = _rule(
    "refused",
    "The provider's content filter refuses this",
    r"content[ _-]?(management |safety |moderation |usage )?(policy|policies|filter\w*|moderation|violation|blocked|restricted|exists risk|security)",
    r"(prompt|response|input|output|completion|message)s? (was |were |is |has been )?(blocked|filtered)|blocked content|(filtered|blocked|flagged|rejected|refused|stopped|prohibited|withheld)\b.{0,50}\b(safety|policy|policies|content|moderation|filter|guideline|violation|prompt|harm|inappropriate|recitation|copyright)",
    r"(safety|moderation|content|acceptable use|harm) (system|filter|check|guardrail|settings|reasons?|classifier|policy|policies|guideline|violation|categor)",
    r"\bflagged\b|responsible ?ai|usage polic(y|ies)|violat\w+.{0,60}(polic|guideline|terms|safety|usage|rules)|polic(y|ies).{0,30}violat|prohibited[ _](content|use)|cyber ?(security )?policy",
    r"(inappropriate|sensitive|unsafe|harmful|offensive|illegal|disallowed|objectionable) (content|information|text|material|input|output|word|request|data)|data ?inspection|new_?sensitive|(input|output|text|image)s? sensitive|sensitive content",
    r"(considered|deemed|marked|is|as|because it was) (high[- ]risk|unsafe|inappropriate|harmful|sensitive)|high risk|exists risk|risk control|jailbreak|guardrails? (\w+ )?(intervened|violat\w+|triggered|block|fail|den|detect)|guardrail checks? .{0,30}fail|violat\w+ .{0,20}guardrail|blocked by.{0,30}(guardrail|safety|moderation)|blocklist",
    r"敏感|违规|不合规|违反.{0,10}(法|规|政策|协议)|存在风险|风险内容|内容安全|审核|不安全|不适当|不当内容|安全策略|不適切|부적절|contenido inapropiado|sicherheitsrichtlini|contenu inappropri",
)
PICTURE: Final = r"(images?|image_url|pictures?|vision|multi-?modal|mmproj|attachments?|pdfs?|audio|videos?|uploaded|media[ _]type|input_file|file type|file format|documents?|base64)"
TRANSCRIPT: Final = _rule(
    "bad-transcript",
    "The server does not take the conversation as it stands",
    r"tool[_ ]?(use|result|call|calls|call_id|call_ids|response|responses|output|outputs|message|messages|use_id)s?( ids?| blocks?)?\b.{0,110}"
    r"\b(must|without|missing|not found|no |follow\w*|preced\w*|preceed\w*|correspond\w*|respond\w*|unexpected|immediately|orphan\w*|mismatch|does not match|unmatched|duplicate|unique|pair\w*|invalid|not preceded)|\btool_?(use|result)\b.{0,30}\b(content )?blocks?\b",
    r"(no|missing|unexpected|orphan\w*|duplicate|unmatched|each|unknown|invalid|every|unpaired) (tool|function)([_ ](use|result|call|output|response))?[_ ]?(ids?|results?|outputs?|blocks?|calls?|responses?|turns?)\b",
    r"number of (function|tool) (calls?|responses?|results?)\b|role:? ?tool|role of tool|tool role|tool messages?\b.{0,40}(must|follow|without)|(function|tool) (call|response) (turn|part)s?|functioncall|functionresponse|function response parts|function call output",
    r"(unexpected|invalid|unknown|unsupported|incorrect|expected( last)?|wrong) (message )?role|roles?\b.{0,60}(alternat|must be|order|sequence|not (allowed|supported|valid)|expected)|alternat\w+ .{0,30}(role|user|assistant)|message[ _]order|incorrect role",
    r"(successive|consecutive|multiple|two|adjacent) .{0,30}(user|assistant|system|messages|roles|turns)|(first|last|final|initial|next|previous) (message|role|turn|content|user|assistant)\b.{0,60}(must|should|cannot|can not|expected|required|has to|needs)",
    r"system (message|role|prompt|turn)s?\b.{0,50}(must|not supported|only|beginning|first|not allowed)|prefill|must (end|start|begin) with a?.{0,20}(user|assistant|system)|single[ -]?turn|user query found|no user (query|message)|only supports single",
    r"thought[_ ]?signature|(thinking|reasoning|redacted_thinking)[_ ](blocks?|contents?|items?|signature)|signature.{0,30}(thinking|invalid|block)|redacted_thinking|reasoning_content|item .{0,80}(reasoning|without its required|of type|not found)|without its required|encrypted[_ ]content|previous[_ ]response",
    r"(content|contents|text|message|messages|blocks?|parts|query|prompt|input)\b.{0,40}(non-?empty|must not be empty|(cannot|can not|should not|may not|must not) (both )?be (empty|blank|null|none)|is empty|are empty|is not set|not specified|non-whitespace|at least one|must have (at least|non)|too short|is required)|\bin history must\b|prompt must be at least|not of type .{0,40}\b(messages|input|contents?)$|(fetch|download|retrieve|access|load) (the )?(content|file|media)s? (from|at) (the )?(provided )?url",
    r"too short.{0,10}messages|unmarshal.{0,80}messages|assistant messages? at the end|only .{0,40}\broles?\b|(empty|blank|null) (content|message|messages|text|parts|prompt|user message|assistant message)|at least one (message|contents?|part)|invalid (type )?(for )?(message|content|messages|contents)\b|unsupported content|content (type|part)",
    r"\b(messages?|input|contents?)(\[|\.\[?|\$?\.)\d+|\$\.(messages|input|contents)|messages?\[|input\[\d|\$\.messages",
    r"(function|tool)[_ .]?(calls?|use)?[_ .]?(arguments|input|params)\b.{0,60}(json|valid|parse|format|dict|object|string)|arguments.{0,40}(must be|not|invalid).{0,20}json",
    r"(not valid|invalid|malformed|parse|parsing|decode|decoding).{0,30}(json(?! (schema|payload))|unicode|utf-?8|surrogate)|surrogate|json (body|parse|decode)",
    rf"\b{PICTURE}\b.{{0,80}}\b(not? (be )?(support|process|valid|allow|available|accept|enabl|decod|load|found|a valid|download|open|read|fetch)\w*|doesnt support|unsupport\w*|couldnt|cannot|cant|unable|invalid|too (large|small|big|many)|exceed\w*|corrupt\w*|fail\w*|only (supported|available|allowed)|disabled|must be|at most|larger|dimension|requires?)",
    rf"(not? support(ed|s|ing)?|doesnt support|unsupported|no endpoints found that support|invalid|cannot|cant|could ?no?t|unable to|failed to|error|fail|not a|without|too many|unknown|(un)?able|only text)\b.{{0,50}}\b{PICTURE}\b",
    r"\bfiles?\b.{0,60}\b(format|type|size)\b.{0,20}\b(not|unsupported|exceed\w*|invalid|too)\b|(missing data|required).{0,30}\b(image|vision)|at most \d+ (image|picture|video|audio|file)|(image|picture|video|audio|file)s?\b.{0,60}(incompatible|not compatible)|not (a )?(multimodal|vision)|text[- ]only model|only supports? text|unsupported[ _](file|image|media)|(图片|图像|视频|音频|文件|附件|多模态).{0,25}(不支持|失败|无法|错误|过大|格式|无效|超)|不支持.{0,12}(图片|图像|视频|音频|多模态|文件)|(角色|消息).{0,15}(交替|顺序|错误|不合法|非法|必须|不能为空)|(內容|内容|消息|messages?).{0,10}(不能为空|为空|参数|格式|非法|错误)",
)
TEMPLATE: Final = re.compile(
    r"(?<!-)jinja|at row \d{1,9}, column \d|chat[ _]template|raise_exception|prompt template|(render|rendering|apply|applying|execut\w+|generate parser).{0,30}(prompt|template|callexpression)|minja|parser for this template|template (error|syntax)"
)
TEMPLATE_BROKEN: Final = re.compile(
    r"(parser|syntax) ?error|unknown (test|filter|function|statement|operator|object|tag)|unexpected (token|character|end)|schema conversion|undefined (variable|function|filter)|expected (identifier|closing|iterable|statement|token|expression|endfor|endif)"
    r"|no chat template|not? have a (chat )?template|is no longer allowed|must provide a chat template|no template|not defined|is undefined|template .{0,20}not (found|set|exist)|cannot (call|apply|read)|unsupported operand|is not a function"
)
KEY: Final = _rule(
    "config",
    "The key is not accepted",
    r"(invalid|incorrect|wrong|missing|bad|expired|revoked|malformed|unknown|disabled|unrecognized|illegal|no|not a valid|provide (a|an|your)( valid)?|leaked|empty|require[sd]?|couldnt find|without)\b.{0,25}\b"
    r"(api[-_ ]?keys?|x-api-key|apikey|authorization|authentication|authenticated|auth( credentials| token| header| key)?|credentials?|access[-_ ]?(key|token)|subscription key|bearer|secret|security token|id token|(proxy |server )+token|jwt|token passed|licen[sc]e)\b",
    r"\b(api[-_ ]?keys?|x-api-key|apikey|(access|auth|bearer|security|oauth|id|authentication|session|refresh) ?tokens?|credentials?|authentication|authorization( header)?|signature|virtual key|service account)\b.{0,60}\b"
    r"(invalid\w*|incorrect|missing|required|expired|revoked|rejected|not (valid|found|provided|set|recogni[sz]ed|configured|allowed|permitted|supported|authorized|match|exist|enabled|have)|fails?|failed|failure|denied|error|disabled|blocked|didnt|doesnt|isnt|does not|is not|could not|reported as leaked|not currently allowed|malformed|wrong)",
    r"\bunauthori[sz]ed\b|unauthenticated|not authenticated|not logged in|(please|must|need to) (sign|log) ?in\b|login fail|authentication[ _](error|fail)|token[ _]not[ _]found|invalid[ _]authentication|no connected db|auth[ _]error|forbidden: invalid",
    r"(token|令牌|密钥|api ?key|apikey|鉴权|认证|身份).{0,15}(无效|过期|不正确|错误|失败|不可用|不存在|未提供|不合法|已禁用|验证不通过|缺失|为空)|无效的(令牌|密钥|token|api|key)|未提供.{0,8}(令牌|密钥|key)|未授权|登录失败",
    r"(clé|llave|clave|chave|schlüssel|ключ).{0,25}(invalid|ungültig|inv[aá]lid|invalide|невер|недейств|incorrect)|(invalid|ungültig|inv[aá]lid|invalide|неверн|недейств)\w*.{0,15}(clé|clave|chave|schlüssel|ключ|api)|認証|인증",
)
NOBODY_FOR_MODEL: Final = _rule(
    "config",
    "The model is not there, or not for this account",
    r"\bno (available |valid |active )?(\w+ )?(accounts?|keys?|channels?|providers?|backends?|credentials?) (\w+ ){0,3}?(support\w*|serv(e|es|ing)|offer\w*) (the |this |that )?(requested |given )?model|not allowed to (access|use) (the |this )?model",
)
"""A gateway without anybody behind it for this model."""

MODEL: Final = _rule(
    "config",
    "The model is not there, or not for this account",
    r"\b(model|models|model_?id|deployment|publisher model|inference profile|engine|endpoint)\b.{0,110}?\b(not[ _]found|no such file|does ?n[o']?t[ _]exist|does ?not exist|not exist|doesnt exist|no longer (available|supported|exist\w*|serv\w*|offered)|"
    r"(has been |is |was )?(deprecated|retired|decommissioned|discontinued|sunset|shut ?down|removed)|not (a )?valid|is(nt| not) (a )?(available|supported|valid|deployed|served|allowed|enabled|accessible|activated|recogni[sz]ed|on your|in your|part of|configured)|"
    r"not (available|supported|deployed|served|enabled|activated|allowed|configured|permitted|open|running|started)|(is|has been) (paused|stopped)|cannot be found|could not be found|unknown(?! (error|reason|issue|exception|failure))|not been (found|enabled|deployed|activated)|is invalid|is disabled|(reached|at) (the |its )?end of|requires (a |an )?(subscription|paid|upgrade|approval|access)|access is denied)",
    r"(unknown|invalid|no such|not found:?|nonexist\w*|non-?existent|unsupported|unrecogni[sz]ed|undefined|incorrect|unavailable|cannot find|could not find|couldnt find|missing|unable to find|no matching|illegal) (the |requested |provided )?(model|deployment|engine)\b(?! (output|response|reply|answer))",
    r"invalid model|not a valid model|allowed now, your model|must provide a model|model (parameter |name )?(is )?required|no model (was )?(specified|provided|given|selected)|model[ _]not[ _](found|exist|open|available|supported|allowed)|models?/\S+ is not found|no models? (are |is )?(currently )?(loaded|available|found|named|specified|with)|no endpoints? (found|available)|no allowed providers|no provider|provider not provided|no instances? available for|no available channels?|not served by|try pulling it|lms load",
    r"(does not|do not|dont|doesnt|not) have (access|permission|authorization|been granted access)|no access to|not (been )?(granted|given) access|(not|isnt) (authori[sz]ed|allowed|permitted|entitled|available|eligible)( to| for)? (to )?(use|access|call|invoke|perform|run|generate|make|this|your)|key not allowed|on-demand throughput|model identifier|access to (this |the )?(model|anthropic)|use case details|must be verified|verify organization|not subscribed",
    r"模型.{0,25}(不存在|未找到|不可用|不支持|已下线|未开通|无权|下架|找不到|无可用|错误|没有)|不存在的模型|无可用(渠道|模型)|没有可用(渠道|的渠道|模型)|无权(访问|使用|限)|没有权限|(未知|无效)的?模型|モデル.{0,20}(見つかり|存在しません|ありません)|모델.{0,15}(찾을 수|존재하지)|(modelo|modèle|modell|модель).{0,40}(no (existe|encontrado|disponible)|não (existe|encontrado)|introuvable|nexiste|nicht (gefunden|verfügbar|vorhanden)|existiert nicht|не (найден|существ|доступ))",
)
PLACE: Final = _rule(
    "config",
    "The provider does not serve this place",
    r"(country|countries|region|territory|location|geograph\w*|jurisdiction)\b.{0,50}(not (support|allow|available|permit)|unsupported|restrict|block|forbid|prohibit|denied)",
    r"(unsupported|not (available|allowed|supported) in|restricted|blocked in|unavailable in) (your |this |the |from )*(country|countries|region|territory|location|area)|geo[- ]?(block|restrict|fenc)|地区.{0,10}(不支持|限制|不可用)|所在(的)?(地区|国家)",
)
ACCOUNT: Final = _rule(
    "config",
    "The account is not allowed to do this",
    r"(account|organi[sz]ation|workspace|project|user|tenant|team)\b.{0,50}\b(disabled|deactivated|suspended|banned|terminated|blocked|locked|restricted|not (been )?(active|activated|found|exist|verified|permitted|allowed)|deleted|closed|frozen|archived)|unavailable (for|to) (this |your |the )?(account|organi[sz]ation|user)",
    r"permission[ _]?(denied|error)|access[ _]?(denied|terminated)|insufficient[ _](permission|scope|privilege)|does not have (the )?.{0,30}permission|not have permission|service[ _]disabled|has not been used in project|api is (not enabled|disabled)|is disabled\. enable|ip (address )?.{0,40}(not (allowed|authori[sz]ed|whitelist|permitted)|block|restrict)|no guardrail|guardrail restrictions|data policy|not on the allow ?list",
    r"账[号户].{0,15}(封禁|禁用|冻结|停用|异常|锁定|注销)|用户.{0,8}(封禁|禁用)|封禁|实名认证|白名单",
)
FEATURE: Final = _rule(
    "config",
    "The server can't do what the settings ask for",
    r"(doesnt|does not|dont|do not|not|no endpoints found that|cannot) support(ed)?\b.{0,40}\b(tools?\b|tool[_ ](use|call\w*|choice)|function[_ ]call\w*|functions?\b|chat\b|generate\b|completions?\b|stream\w*|reasoning|thinking|effort|system|developer|temperature|json|response_format|structured|parallel|parameter|logprobs|stop)",
    r"(tools?|function calling|tool[_ ](use|call\w*|choice)|functions|stream(ing)?|reasoning\w*|thinking|effort|temperature|top_p|parallel_tool_calls|response_format|stream_options|developer role)\b.{0,50}\b(not (currently )?(support|available|allowed|enabled|compatible)|unsupported|isnt supported|is not support|requires?|deprecated)",
    r"enable-auto-tool-choice|tool-call-parser|--jinja|enable.{0,20}(in the server|on the server)|requires --|unsupported (param|value|argument|option|operation|api version)|operation ?not ?supported|unsupported api version",
    r"requires more (system |gpu |video )?memory|not enough (system |gpu )?memory to load|(minimum|newer) version|please (upgrade|update) (ollama|your)",
    r"plain http request was sent to https|invalid http request|sent an http request to an https|http request to an https server|client sent an http|ssl certificate error|no required ssl certificate",
)
PARAMETER: Final = _rule(
    "config",
    "A setting is not one that the server takes",
    r"(invalid|unsupported|unknown|unrecogni[sz]ed|unexpected|illegal|missing|extra|additional|required|not a valid|malformed) (\w+ ){0,3}?(parameter|param|argument|option|field|property|properties|key|header|value|schema|keyword|setting|body|inputs|name|format|type|json_schema|function|enum|tool|reasoning)s?\b",
    r"\bis (invalid|not valid|unsupported|not supported)\b|only works (in|with)|(parameter|param|argument|option|field|property|temperature|top_p|top_k|n|stop|seed|penalty|logprobs|max_\w*tokens|budget_tokens|stream_options|tool_choice|response_format|schema|tools?|functions?|effort|verbosity|service_tier|thinking)\b.{0,70}\b(invalid|not (supported|allowed|permitted|recogni[sz]ed|valid|a valid|found)|unsupported|unknown|must be|must have|should be|is required|has to|must not|cannot|too (long|large|small|high|low|many)|extra|expected|out of range|may only|deprecated|exceeds?|at most|at least|missing|only)",
    r"(extra (inputs|fields)|additional properties) (are |is )?not|unable to submit request|below minimum|above maximum|out of range|(expected|supported|allowed|valid|possible) (a )?(value|values|levels?|range|options?)|input should be|only one of .{0,80} can be|value_error|extra_forbidden|literal_error|does not match pattern|string should match|must (be|match) (one of|between|in|a|an|the)|not one of|no schema|参数.{0,15}(错误|无效|非法|不合法|有误|缺失|不支持)|无效的?参数",
)
GLITCH: Final = _rule(
    "unknown",
    "The model made something that the server could not use",
    r"(produced|generated|returned) (an )?invalid (content|output|json|tool)|tool[_ ]use[_ ]failed|failed[_ ]generation|failed to call a function|tool call validation failed|parsing tool call|failed to parse (input|tool|function|output|model|the (model|tool|output))|malformed[_ ]function[_ ]call|output[_ ]parse|json[_ ]validate[_ ]failed|failed to (validate|generate) json|tool call .{0,20}parse|unexpected tool call",
    r"((failed|could not|unable|couldnt) (to )?load (the )?model|model load(ing)? (failed|error)|error loading model)(?!.{0,200}no such file)",
)
LOADING: Final = _rule(
    "transient",
    "It is loading the model",
    r"(model|server|engine|weights|instance|service|worker|endpoint)s?\b.{0,60}\b(is|are|was|still|currently|being|not|isnt) (still |currently |being |now |yet |not )*"
    r"(loading|loaded yet|starting( up)?|warming( up)?|initiali[sz]ing|initiali[sz]ed yet|booting|scaling up|pulled|pulling|downloading|downloaded|ready|spinning up|waking( up)?)\b",
    r"\bloading (the )?model|warming up|model (is )?(not ready|loading)|模型.{0,8}加载中|正在加载|cold start",
)
BUSY: Final = _rule(
    "transient",
    "The server has too much to do",
    r"overload|over capacity|at capacity|capacity (exceeded|is|has|limit|temporarily|constraint|reached)|(no|insufficient|out of|lacks?|limited|not enough|exceeded|available) (\w+ )?capacity|high (demand|load|traffic|volume)|heavy load|queue( is|_)? ?(full|exceeded)|too busy|(server|system|model|service|engine|worker|slot|backend|provider|upstream)s?( \w+)? (is |are |currently |too |very )*busy|\bbusy\b(?! loading)",
    r"负载|繁忙|过载|饱和|拥堵|混雑|과부하|überlastet|surcharg[eé]|sobrecargad|перегруж",
)
AWAY: Final = _rule(
    "transient",
    "The server can't answer now",
    r"temporar(il)?y?.{0,40}(unavailable|down|error|issue|fail|outage|disabled|out of|problem|offline|not available|unable|closed|overload)|(temporarily|momentarily|currently|briefly) (\w+ )?(unavailable|down|offline|unreachable|experiencing|out of)|(service|server|model|gateway|site|system|backend|upstream|provider|api|inference|host|endpoint|resource)s?( is| are| was)?( \w+)? unavailable(?! (for|to) (this |your |the )?account)",
    r"(connection|connect|connecting)\b.{0,30}\b(refused|reset|closed|aborted|error|failed|timed? ?out|terminated|lost|broken|termination)|econn\w+|etimedout|enotfound|eai_again|ehostunreach|epipe|socket hang ?up|broken pipe|reset by peer|\beof\b|upstream (connect|server|service|timed|prematurely|load|request timeout)|bad gateway|gateway ?time|no healthy|getaddrinfo|fetch failed|disconnected|is (sleeping|asleep|offline)|dial tcp|i/o timeout|no route to host|unreachable|network (error|issue|connection|problem)",
    r"(server|provider|upstream|backend|service|model|api|host|engine|runner|process|worker)s?( \w+)? (is |are |was |has |seems |appears )?(currently |temporarily )?(down\b|not (responding|reachable|running|reacting)|dead\b|died\b|hung\b|gone away|gone offline)",
    r"(failed|unable|could not|couldnt|cannot|cant) (to )?(connect|reach|contact|respond|proxy|forward|communicate|get a (response|reply)|complete (the|your|this) request|process your request)\b|no (response|reply) (from|received)|(request|stream|generation|response|connection) (was )?interrupted",
    r"timed[- ]?out|time-?out (occurred|exceeded|while|after|expired|reached|waiting|error|of \d)|(request|gateway|read|connection|upstream|server|response|first token|api)[ _]time-?d?[ -]?out|deadline[ _]exceeded|took too long|context deadline|operation was (canceled|aborted|cancelled)|context canceled",
    r"(has |was |have )?(crashed|unexpectedly (stopped|terminated|exited|closed)|been terminated|process (has )?(terminated|exited|died|crashed|no longer running))|exit (code|status)|runner (has )?(stopped|terminated|process)|out of memory|\boom\b|cuda error|cublas|degraded|channel error|engine ?(dead|core|loop|process)|enginedead|asyncenginedead|model (was )?unloaded|being restarted|(is )?restarting|shutting down|shut down in progress|maintenance|outage",
    r"no auth available|auth[ _]unavailable|no (available|healthy|active|ready|running|live) (\w+ )?(server|account|worker|replica|deployment|instance|node|backend|endpoint|pod|machine|target)s?|no (deployments?|servers?|workers?|accounts?|instances?|backends?|replicas?) (is |are )?(currently )?(available|ready|healthy)|token pool is empty|no server is available|all (providers|models|deployments|backends|channels|keys|accounts) (are )?.{0,20}(fail|unavailable|down|busy|exhaust|cool)",
    r"暂时(不可用|无法)|服务.{0,8}(不可用|异常|故障|中断|维护|超时)|稍后(再|重)?试|请重试|系统(错误|异常|繁忙)|内部错误|超时|网络(错误|异常)|しばらく|一時的|일시적|잠시 후|vorübergehend|momentanément|temporairement|temporalmente|temporariamente|временно|попробуйте позже|nicht verfügbar",
)
WRONG_URL: Final = re.compile(
    r"unexpected endpoint|cannot (post|get|put)\b|invalid url|unknown (request )?url|no route|route\b.{0,40}not (found|exist)|(path|url) (was )?not found|unknown (path|endpoint|route)|method not allowed"
)
"""Nobody is at home at this address. That may be a mistake, or a server that is being replaced."""

SORRY: Final = re.compile(
    r"internal[ _]?(server )?(error|exception|failure)|server[ _](error|had an error|exception)|api[ _]error|unknown error occurred|unexpected (error|condition|exception)|something (went wrong|broke)|an error (has )?occurred|(please )?(try|retry)( \w+){0,3} (again|later|shortly|request)|try again|please retry|retry (your|the|this) request|service unavailable|unavailable|bad response|invalid response|provider returned error|system error|unhandled|exception|upstream"
)
"""Regrets that say nothing: believed only where nothing else is said."""

LIMITED: Final = _rule(
    "rate-limit",
    RATE.why,
    r"rate[-_ ]?limit(?! queue)|too many requests|throttl|spike arrest|slow[ _]?down|reduce (your |the )?(request )?(rate|frequency)",
)
"""A rate by its own name."""

REQUEST: Final = (OUTPUT_SETTING, OVERFLOW, LIMITED, REFUSED, GLITCH, TRANSCRIPT)
"""What is wrong with the request. It weighs most: the same request will fail again."""

WEATHER: Final = (BUSY, LOADING, AWAY)
SETTINGS: Final = (PLACE, FEATURE, ACCOUNT, KEY, NOBODY_FOR_MODEL, MODEL)


def spent(text: str) -> bool:
    """What is used up does not come back within minutes."""
    return SURELY_SPENT.search(text) is not None or (SPENT.found_in(text) and not PER_MINUTE.search(text))
