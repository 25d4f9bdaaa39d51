"""A small stack with a function of its own, on a bundle."""

from collections.abc import Iterator

import pytest

from longshore_local.bundle import Bundle, Sources

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: { Type: String, Default: hello, AllowedValues: [hello, moin] }
Conditions:
  Rude: !Equals [!Ref Greeting, nothing]
Resources:
  Bus: { Type: AWS::Events::EventBus, Properties: { Name: !Ref AWS::StackName } }
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }
  Dead: { Type: AWS::SQS::Queue }
  Undelivered: { Type: AWS::SQS::Queue }
  Locked: { Type: AWS::SQS::Queue }
  Mailbox: { Type: AWS::SQS::Queue }
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Work, !Ref Undelivered]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: { Service: events.amazonaws.com }
            Action: sqs:SendMessage
            Resource: [!GetAtt Work.Arn, !GetAtt Undelivered.Arn]
            Condition: { ArnLike: { aws:SourceArn: !Sub "arn:${AWS::Partition}:events:*:*:rule/*" } }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Topic: { Type: AWS::SNS::Topic }
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: { TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Mailbox.Arn }
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions: [{ Name: QueueName, Value: !GetAtt Dead.QueueName }]
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
      AlarmActions: [!Ref Topic]
  Group: { Type: AWS::Scheduler::ScheduleGroup, Properties: { Name: !Ref AWS::StackName } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{ Effect: Allow, Principal: { Service: scheduler.amazonaws.com }, Action: sts:AssumeRole }]
  Hourly:
    Type: AWS::Scheduler::Schedule
    Properties:
      GroupName: !Ref Group
      ScheduleExpression: rate(1 hour)
      FlexibleTimeWindow: { Mode: "OFF" }
      Target: { Arn: !GetAtt Work.Arn, RoleArn: !GetAtt Role.Arn, Input: '{"sweep": "<aws.scheduler.scheduled-time>"}' }
  Ordered:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop], detail-type: [Ordered], detail: { items: { kind: [book], price: [{ numeric: [">", 10] }] } } }
      Targets:
        - { Id: work, Arn: !GetAtt Work.Arn, DeadLetterConfig: { Arn: !GetAtt Undelivered.Arn } }
  Refused:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop], detail-type: [Refused] }
      Targets:
        - { Id: locked, Arn: !GetAtt Locked.Arn, DeadLetterConfig: { Arn: !GetAtt Undelivered.Arn } }
  Direct:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop], detail-type: [Direct] }
      Targets: [{ Id: function, Arn: !GetAtt Worker.Arn }]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions
      Handler: worker.handle
      Runtime: python3.13
      Timeout: 10
      Environment:
        Variables: { TABLE: !Ref Table, BUS: !Ref Bus, GREETING: !Ref Greeting }
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
Outputs:
  Url: { Value: !Ref Work }
"""

WORKER = '''
"""Notes each message in the table and tells of it; fails what is poison."""

import json
import os

import boto3


def handle(event, context):
    print("greeting", os.environ["GREETING"], context.get_remaining_time_in_millis())
    failed = []
    for record in event.get("Records", [{"messageId": "direct", "body": json.dumps(event)}]):
        if "poison" in record["body"]:
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"pk": {"S": record["messageId"]}})
        entry = {"EventBusName": os.environ["BUS"], "Source": "worker", "DetailType": "Done", "Detail": record["body"]}
        boto3.client("events").put_events(Entries=[entry])
    if "crash" in json.dumps(event):
        raise RuntimeError("told to crash")
    return {"batchItemFailures": failed}
'''


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The stack's files."""
    directory = tmp_path_factory.mktemp("stack")
    (directory / "template.yaml").write_text(TEMPLATE)
    (directory / "worker.py").write_text(WORKER)
    return Sources(directory / "template.yaml", directory, None)


@pytest.fixture(scope="module")
def running(sources: Sources) -> Iterator[Bundle]:
    """One bundle for the tests of a module."""
    with Bundle.start(sources=sources, name="shop", parameters={"Greeting": "moin"}) as bundle:
        yield bundle


@pytest.fixture
def bundle(running: Bundle) -> Bundle:
    """The bundle as if it had just started."""
    running.clear()
    return running
