"""What a person may do about a failure, in Japanese, by the failure's name; in English the event itself says it."""

from __future__ import annotations

from collections.abc import Mapping

HINTS: Mapping[str, str] = {
    "user-stop": "意図的に停止されました。実行者は CloudTrail の StopTask で確認できます。",
    "scheduler-stop": "サービスのスケジューラーによる通常の動作です。",
    "spot-notice": "Spot キャパシティは 2 分以内に回収されます。",
    "spot-stop": "Spot キャパシティが回収されました。"
    "頻発する場合は FARGATE の併用や別のインスタンスタイプを検討してください。",
    "host-gone": "インスタンスが停止または登録解除されました。"
    "Auto Scaling グループのアクティビティを確認してください。",
    "fargate-maintenance": "AWS がホストを廃止します。対応は不要ですが、予告がある場合は先に起動し直せます。",
    "infrastructure-health": "ECS が基盤の異常を検出しました。同じインスタンスで繰り返さない限り対応は不要です。",
    "capacity": "アベイラビリティーゾーンやタスクサイズの選択肢を増やしてください。"
    "Spot では FARGATE を併用してください。",
    "placement-no-room": "必要なリソースのあるインスタンスがありません。"
    "インスタンスを増やすか、要求を減らしてください。",
    "placement-mismatch": "条件に合うインスタンスがありません。属性、アーキテクチャ、配置制約を見直してください。",
    "placement-agent-disconnected": "インスタンスの ECS エージェントが不通です。"
    "エージェント、ロール、経路を確認してください。",
    "quota": "アカウントのクォータに達しました。Service Quotas で引き上げるか、同時実行数を減らしてください。",
    "quota-throttled": "ECS または EC2 へのリクエストが多すぎます。"
    "続く場合は呼び出し元を調べ、上限の引き上げを申請してください。",
    "network-interface-timeout": "EC2 のネットワークインターフェイス作成が遅延しました。"
    "繰り返さない限り対応は不要です。",
    "network-interface-refused": "EC2 が作成を拒否しました。"
    "ポリシー、サブネットの空きアドレス、スロットリングを確認してください。",
    "ephemeral-storage-timeout": "Fargate のストレージ作成が遅延しました。繰り返さない限り対応は不要です。",
    "service-discovery": "Cloud Map に登録できませんでした。古いインスタンスとクォータを確認してください。",
    "volume-no-capacity": "このゾーンに EBS の空きがありません。別のゾーンまたはボリュームタイプを使ってください。",
    "volume": "ボリュームを接続できません。ロール、マウントターゲット、ネットワークを確認してください。",
    "pull-transient": "レジストリまたは経路の一時的な失敗です。"
    "続く場合は NAT、VPC エンドポイント、DNS を確認してください。",
    "pull-not-found": "イメージがレジストリにありません。名前とタグを確認し、存在するイメージをデプロイしてください。",
    "pull-not-allowed": "実行ロール、リポジトリと VPC エンドポイントのポリシー、イメージ名を確認してください。",
    "pull-not-trusted": "レジストリの証明書を信頼できません。"
    "証明書チェーン、名前、期限、途中のプロキシを確認してください。",
    "pull-unexplained": "イメージを取得できず、既知の理由に当てはまりません。"
    "理由の文を確認し、Longshore へ報告してください。",
    "pull-rate-limit": "レジストリの制限です。ECR にミラーするか、レジストリにログインしてください。",
    "pull-no-space": "ディスクに空きがありません。"
    "Fargate では ephemeralStorage を増やし、インスタンスでは掃除してください。",
    "image-wrong-platform": "イメージがこのアーキテクチャ用ではありません。"
    "ビルドし直すか runtimePlatform を設定してください。",
    "secrets-or-registry-login": "シークレットまたはレジストリ認証を取得できません。"
    "実行ロールとネットワークを確認してください。",
    "log-driver": "ログドライバーが起動しません。ロググループと実行ロールの権限を確認してください。",
    "resource-initialization": "タスクの準備に失敗しました。理由と VPC の DNS 設定を確認してください。",
    "role-not-assumed": "ECS がロールを引き受けられません。信頼ポリシーとロールの存在を確認してください。",
    "dependency": "依存するコンテナが失敗または遅延しました。そのログ、dependsOn、startTimeout を確認してください。",
    "runtime-timeout": "コンテナランタイムが応答しません。インスタンスの負荷、ディスク、ランタイムを確認してください。",
    "container-not-created-or-started": "ランタイムが拒否しました。"
    "コマンド、マウント、ボリューム、ulimit を確認してください。",
    "agent-internal": "エージェントまたはランタイムがコンテナを見失いました。繰り返さない限り対応は不要です。",
    "out-of-memory": "許可以上のメモリを使いました。メモリの上限を上げるか、消費の原因を調べてください。",
    "log-router-died": "FireLens が停止しました。essential を false にし、メモリと restartPolicy を設定してください。",
    "app-mesh-proxy-died": "Envoy が停止しました。App Mesh は終了しています。Service Connect に移行してください。",
    "service-connect-proxy": "プロキシが失敗しました。"
    "同じインスタンスのほかのサービスでも起きるなら、インスタンスが原因です。",
    "container-health-check": "ヘルスチェックに失敗しました。ログ、コマンド、間隔、startPeriod を確認してください。",
    "load-balancer-health-check": "パス、ポート、応答コード、healthCheckGracePeriodSeconds を確認してください。",
    "crashed": "プロセスがクラッシュしました。ログとネイティブライブラリを確認してください。",
    "killed": "外部から SIGKILL を受けました。メモリと stopTimeout も確認してください。",
    "command-not-found": "コマンドがないか実行できません。entryPoint、command、権限を確認してください。",
    "application-error": "アプリケーション自身のエラーです。ログを確認してください。",
    "lost": "終了コードも理由もありません。インスタンスを確認してください。",
    "unknown": "既知の原因に当てはまりません。理由の文を確認してください。",
    "agent-lost": "エージェントが不通です。"
    "数分なら通常のことですが、続く場合はインスタンスを確認してください。Longshore は終了も登録解除もしません。",
    "agent-lost-on-premises": "ECS Anywhere のマシン、ネットワーク、SSM エージェントを確認してください。",
    "instance-impaired": "コンテナランタイムが応答しません。ドレインして置き換えてください。",
    "drain-stuck": "残るタスクがインスタンスを塞いでいます。保護の解除、最小ヘルス率、ほかの空きを確認してください。",
    "stuck-provisioning": "配置先がありません。Auto Scaling グループとタスクの要求を確認してください。",
    "stuck-pending": "エージェントが起動しません。別のタスクの停止待ちか、エージェントの停止が考えられます。",
    "stuck-at-the-load-balancer": "ロードバランサーまたは Cloud Map への登録が終わりません。",
    "stuck-stopping": "停止時間を過ぎても止まりません。エージェントの不通が考えられます。",
    "stuck-deprovisioning": "ネットワークインターフェイスが解放されません。置き換えはそれを待ちません。",
    "unhealthy": "ヘルスチェックに失敗していますが、サービスに属さないタスクを ECS は停止しません。",
    "running-too-long": "ファミリーに許された時間を超えています。",
    "end-missed": "終了を伝えるイベントが届きませんでした。ECS のイベントはベストエフォートです。",
    "clean-exit": "コンテナが終了コード 0 で終わります。サービスで動かすものは動き続ける必要があります。",
    "tasks-do-not-start": "サービスのタスクが起動しません。タスクの停止イベントを確認してください。",
    "deployment-failed": "タスクの停止イベント、アラーム、フックを確認してください。",
    "hook-failed": "ライフサイクルフックの関数を確認してください。",
    "aws-health-event": "AWS Health Dashboard を確認してください。",
    "stale-instances-in-cloud-map": "終了したタスクに接続が送られます。"
    "登録を解除するか、サービスに longshore:recover=auto を付けてください。",
}
"""For names that `catalogue_ja_recover` has words for."""
