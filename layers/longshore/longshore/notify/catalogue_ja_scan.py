"""What scan tells, in Japanese: findings, acceptances, gates, digests. `catalogue` tells what the marks mean."""

from __future__ import annotations

from collections.abc import Mapping

_HEADLINES = {
    "findings-reported": "🛡️ *{subject}* [の `{version}` ]に新たな[ {priority} の]検出結果 {count} 件"
    "[ (新規は計 {new} 件)][、悪化 {worsened} 件][ ({worst})][、受容切れ {reopened} 件][ ({again})]"
    "[、{environment} で稼働中]",
    "findings-reported.worsened": "🛡️ *{subject}* [の `{version}` ]の検出結果 {worsened} 件が悪化[ ({worst})]"
    "[、受容切れ {reopened} 件][ ({again})][、{environment} で稼働中]",
    "findings-reported.reopened": "🛡️ *{subject}* [の `{version}` ]の検出結果 {reopened} 件が受容切れ[ ({again})]"
    "[、{environment} で稼働中]",
    "findings-reported.mended": "🩹 *{subject}*[ の `{version}` ]の検出結果 {open} 件中 {mended} 件は `{by}` で修正済み"
    "[、{environment} で稼働中]",
    "findings-reported.other": "🛡️ *{subject}* [の `{version}` ]に検出結果があります[、{environment} で稼働中]",
    "findings-reported.expiring": "⏳ *{subject}* [ほか {others} 件]の受容が[ {due} に][ {first} から順に]終わります",
    "findings-reported.digest": "📋 *{subject}* の検出結果まとめ[、期限超過 {overdue} 件][、P1 が {p1} 件]"
    "[、P2 が {p2} 件][、未スキャン {unscanned} 件]",
    "findings-resolved": "✅ *{subject}* [の `{version}` ]の検出結果はすべて修正されました[ ({duration} 後)]",
    "findings-resolved.accepted": "☑️ *{subject}* [の `{version}` ]に残る検出結果は受容されました[ ({duration} 後)]",
    "findings-resolved.replaced": "✅ *{subject}* [の `{version}` ]はもう稼働していません[ (後継は `{by}` )]"
    "[ ({duration} 後)]",
    "findings-resolved.gone": "☑️ *{subject}* [の `{version}` ]のイメージはなくなりました[ ({duration} 後)]",
    "gate-closed": "⛔ *{subject}* [({environment}) ][の `{version}` ]のゲートが閉じました"
    "[、P1 が {p1} 件][、P2 が {p2} 件][、P3 が {p3} 件][、P4 が {p4} 件]",
    "gate-closed.no-result": "⛔ *{subject}* [({environment}) ][の `{version}` ]のゲートが閉じました (判定不能): "
    "{reason:key}",
    "gate-opened": "✅ *{subject}* [({environment}) ][の `{version}` ]のゲートが開きました",
    "gate-opened.failed": "⚠️ *{subject}* [({environment}) ][の `{version}` ]はゲートで不合格ですが、通します"
    "[、P1 が {p1} 件][、P2 が {p2} 件][、P3 が {p3} 件][、P4 が {p4} 件]",
    "gate-opened.no-result": "⚠️ *{subject}* [({environment}) ][の `{version}` ]を判定なしで通します: {reason:key}",
}

_KINDS = {
    "findings-reported": "検出結果",
    "findings-resolved": "検出結果の解消",
    "gate-opened": "ゲート開放",
    "gate-closed": "ゲート閉鎖",
}

_GATE = {
    "clean": "条件で禁じるほど重大な検出結果はない",
    "not-new": "条件で禁じる検出結果は稼働中のイメージにもあり、このイメージで悪化していない",
    "findings": "条件で禁じるほど重大な検出結果がある",
    "scanning": "スキャンがまだ終わっていない",
    "timed-out": "条件で定めた時間内にスキャンが終わらなかった",
    "unsupported": "スキャナーがこのイメージを読み取れない",
    "too-large": "イメージがスキャナーの扱える大きさを超えている",
    "archived": "アーカイブされたイメージはスキャンされない",
    "expired": "スキャンの対象期間が過ぎ、結果も残っていない",
    "scan-failed": "スキャンに失敗した",
    "not-scanned": "このリポジトリはスキャンの対象になっていない",
    "gone": "イメージがもうレジストリにない",
    "off": "scan が無効なため判定できない",
}

_RULES = {
    "kev": "CISA KEV に掲載",
    "exploited": "悪用が確認されている",
    "exploit": "攻撃コードが公開され、稼働中",
    "critical": "CRITICAL で、稼働中",
    "likely": "悪用されやすい HIGH で、稼働中",
    "grave": "HIGH または CRITICAL",
    "rest": "急を要しない",
}

_STATES = {
    "pending": "スキャンが終わっていない",
    "failed": "スキャンに失敗",
    "unsupported": "スキャナーが読み取れない",
    "too-large": "大きすぎてスキャンできない",
    "archived": "アーカイブ済みでスキャンされない",
    "expired": "スキャンの対象期間が終了",
    "gone": "もうレジストリにない",
    "not-scanned": "スキャンの対象外",
}

_FINDINGS = {
    "line": "[{package}][ {version}][ → {fixed_in}][ ({fix:key})][ · {severity}][ · {kev}][ (期限 {kev_due})]"
    "[ · EPSS {epss}][ · {exploit:key}][ · {change:key}][ (受容者 {accepted_by})]",
    "late": "[{priority}][ · {package}][ · {image}][ · {running}][ · 期限 {due}]",
    "acceptance": "{due} に終了[ · {repositories}][ · {owner}][ · {reason}]",
    "no-fix": "修正版なし",
    "partly": "一部のみ修正版あり",
    "exploit": "攻撃コードあり",
    "worsened": "悪化",
    "reopened": "受容切れ",
    "not-running": "稼働していない",
    "compared": "修正 {fixed} 件、変化なし {unchanged} 件[ (比較対象 {compared})]",
    "suppressed": "{count} 件[ (7 日以内に終了: {ending} 件)]",
    "cure": "{version} で {of} 件中 {fixed} 件が修正済み",
    "fixable": "[{of} 件中 ]{fixable} 件に修正版あり",
}

_NEXT = {
    "gate-failed": "新しいイメージがプッシュされるか、検出結果が受容 (longshore suppress) されるまでデプロイしません",
    "gate-scan": "スキャンが終われば自動で判定し直します。新たなプッシュや条件の変更でも先に進みます",
    "gate-image": "新しいイメージがプッシュされるか、プロファイルの条件が変わるまでデプロイしません",
    "gate-passed": "ほかに妨げがなければデプロイします",
    "gate-let-through": "プロファイルの条件に従い、このままデプロイします",
    "acceptance-ends": "終了後は再び通知され、ゲートの判定にも影響します",
}

_FACTS = {
    "open": "未解決の合計",
    "idle": "稼働先",
    "compared": "そのほか",
    "scan": "スキャン",
    "cure": "修正",
    "mend-by": "対応期限",
    "waited": "待機の終了",
    "replaced-by": "後継",
    "settled": "検出結果",
    "images": "稼働中のイメージ",
    "overdue": "期限超過",
    "unscanned": "未スキャン",
    "behind": "更新の遅れ",
    "ending": "終了間近の受容",
    "more-findings": "ほか",
}

_LINES = {
    "finding": "*{id}*[ {priority}][ ({rule:key})][: {package}][ {version}][ → {fixed_in}][ ({fix:key})]"
    "[ · {severity}][ · {change:key}][ (受容者 {accepted_by})][ · 対応期限 {due}][ · {path}][ · {title}]",
    "findings-more": "…ほか {count} 件 ( `{command}` で一覧できます)",
    "runs": "稼働先: {running}",
    "unscanned": "未スキャン: `{image}`[ · {state:key}][ · {why}][ · 稼働先 {running}]",
    "behind": "更新の遅れ: `{image}`[ · 稼働先 {running}][ · 修正済み {fixed}][/{of} 件][ ( `{version}` )]",
    "acceptance": "*{id}*: {due} まで受容[ · {repositories}][ · {owner}][ · {reason}]",
}


def _keyed(prefix: str, entries: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{key}": text for key, text in entries.items()}


SCAN: Mapping[str, str] = {
    **_keyed("headline", _HEADLINES),
    **_keyed("kind", _KINDS),
    **_keyed("reason.gate", _GATE),
    **_keyed("rule", _RULES),
    **_keyed("state", _STATES),
    **_keyed("findings", _FINDINGS),
    **_keyed("next", _NEXT),
    **_keyed("fact", _FACTS),
    **_keyed("line", _LINES),
}
"""Its entries."""
