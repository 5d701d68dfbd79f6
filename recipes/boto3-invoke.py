import boto3

answer = boto3.client("lambda").invoke(FunctionName="chat", Payload=open("events/alb.json", "rb"))
print(answer["StatusCode"], answer.get("FunctionError"), answer["Payload"].read().decode())
# prints: 200 None {"statusCode":200
